//! Lines of `key=value` words, the form of the kernel's own tables below /proc/weft.

use std::collections::HashMap;

pub struct Record<'a>(HashMap<&'a str, &'a str>);

impl<'a> Record<'a> {
    pub fn parse(line: &'a str) -> Self {
        Self(
            line.split_whitespace()
                .filter_map(|word| word.split_once('='))
                .collect(),
        )
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }
}

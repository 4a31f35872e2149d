//! What was measured: the figures of every contender in every setting.

use super::figures::{Figures, best};
use super::rows::Setting;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Results(BTreeMap<(Setting, &'static str), Figures>);

impl Results {
    /// Adds a run; of several runs of the same rows the best is kept.
    pub fn add(&mut self, setting: Setting, contender: &'static str, figures: Figures) {
        best(self.0.entry((setting, contender)).or_default(), figures);
    }

    pub fn of(&self, setting: Setting, contender: &str) -> Option<&Figures> {
        let mut all = self.0.iter();
        let found = all.find(|((at, key), _)| (*at, *key) == (setting, contender));
        found.map(|(_, figures)| figures)
    }
}

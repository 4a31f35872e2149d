//! What is sent back: a file, the CPUs, or why not.

use crate::Site;
use common::cpus::{self, Sample};
use std::io::{Result, Write};
use std::path::{Component, Path};
use std::time::Duration;

/// A poller that comes sooner still gets an interval worth showing.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

pub struct Answer {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    pub fn error(status: &'static str) -> Self {
        Self {
            status,
            kind: "text/plain",
            body: format!("{status}\n").into_bytes(),
        }
    }

    /// The CPUs since the last time somebody asked.
    pub fn cpus(site: &Site) -> Self {
        let Ok(mut last) = site.last.lock() else {
            return Self::error("500 Internal Server Error");
        };
        std::thread::sleep(SHORTEST_INTERVAL.saturating_sub(last.at.elapsed()));
        let Ok(new) = Sample::take() else {
            return Self::error("500 Internal Server Error");
        };
        let body = cpus::json(&cpus::between(&last, &new))
            .to_string()
            .into_bytes();
        *last = new;
        Self {
            status: "200 OK",
            kind: "application/json",
            body,
        }
    }

    /// A file below the site's folder; nothing outside it can be named.
    pub fn file(site: &Site, path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let inside = Path::new(path.trim_start_matches('/'));
        if !inside
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Self::error("404 Not Found");
        }
        let mut file = site.folder.join(inside);
        if file.is_dir() {
            file.push("index.html");
        }
        match std::fs::read(&file) {
            Ok(body) => Self {
                status: "200 OK",
                kind: kind_of(&file),
                body,
            },
            Err(_) => Self::error("404 Not Found"),
        }
    }

    pub fn send(&self, to: &mut impl Write, head_only: bool) -> Result<()> {
        let (status, kind, length) = (self.status, self.kind, self.body.len());
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        );
        to.write_all(head.as_bytes())?;
        if head_only {
            Ok(())
        } else {
            to.write_all(&self.body)
        }
    }
}

fn kind_of(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

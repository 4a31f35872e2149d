//! `/etc/init.conf`: a line per service, `POLICY COMMAND...`, `#` starts a comment.
//!
//! `respawn` is started again whenever it ends, later and later while it keeps failing;
//! `console` likewise, as a session of its own with the console as its terminal;
//! `once` runs at start and is not waited for.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    Respawn,
    Console,
    Once,
    /// Like `once`, but the machine powers off when it ends.
    Only,
}

#[derive(Clone, Debug)]
pub struct Service {
    pub policy: Policy,
    pub command: Vec<String>,
}

impl Service {
    pub fn single(command: Vec<String>) -> Self {
        Self {
            policy: Policy::Only,
            command,
        }
    }

    pub fn name(&self) -> &str {
        self.command[0].rsplit('/').next().unwrap_or_default()
    }
}

/// The services of the file; a missing or wrong file still leaves a shell on the console.
pub fn load(path: &str) -> Vec<Service> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(error) => {
            eprintln!("init: {path}: {error}; starting a shell only");
            parse("console /bin/sh -l")
        }
    }
}

fn parse(text: &str) -> Vec<Service> {
    let mut services = Vec::new();
    for line in text.lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let policy = match words.next() {
            None => continue,
            Some("respawn") => Policy::Respawn,
            Some("console") => Policy::Console,
            Some("once") => Policy::Once,
            Some(word) => {
                eprintln!("init: {word} is no policy; the line is left out: {line}");
                continue;
            }
        };
        let command: Vec<String> = words.map(String::from).collect();
        if !command.is_empty() {
            services.push(Service { policy, command });
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_services_and_wrong_ones_are_left_out() {
        let services = parse(
            "# services\nrespawn /bin/sshd -v # the way in\n\nalways /bin/x\nonce /bin/true\nrespawn\n",
        );
        assert_eq!(services.len(), 2);
        assert_eq!(services[0].command, ["/bin/sshd", "-v"]);
        assert_eq!(services[0].name(), "sshd");
        assert_eq!(services[1].policy, Policy::Once);
    }
}

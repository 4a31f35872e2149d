//! The machine's own key and the keys that open it, both from one folder.

use russh::keys::{PrivateKey, PublicKey, load_secret_key};
use std::path::Path;

pub fn host_key(folder: &Path) -> Result<PrivateKey, String> {
    let path = folder.join("ssh_host_ed25519_key");
    load_secret_key(&path, None).map_err(|error| format!("{}: {error}", path.display()))
}

/// The keys of `authorized_keys`; a line that cannot be read is reported and left out.
pub fn authorized(folder: &Path) -> Vec<PublicKey> {
    let path = folder.join("authorized_keys");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        eprintln!("sshd: {}: {error}; nobody can log in", path.display());
        String::new()
    });
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| match PublicKey::from_openssh(line) {
            Ok(key) => Some(key),
            Err(error) => {
                eprintln!("sshd: {}: {error}: {line:.40}...", path.display());
                None
            }
        })
        .collect()
}

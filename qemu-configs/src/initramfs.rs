//! Manifest -> newc cpio archive, the kernel's first file system.
//!
//! A manifest line is one of
//!
//! ```text
//! dir     MODE PATH...            # empty folders
//! file    MODE PATH SOURCE:NAME   # one file; SOURCE is a folder named by --source
//! tree    SOURCE:NAME             # everything below a folder, modes kept as 644 / 755
//! symlink PATH TARGET
//! links   TARGET FOLDER NAME...   # many symbolic links to one program
//! ```
//!
//! Owner is root and time is zero everywhere, so that equal input gives an equal archive.

use crate::{Result, read_file, write_if_changed};
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const FILE: u32 = 0o100000;
const FOLDER: u32 = 0o040000;
const SYMLINK: u32 = 0o120000;

/// Path (no leading slash) -> mode and content. Sorted, so that folders precede what they hold.
#[derive(Default)]
struct Archive {
    entries: BTreeMap<String, (u32, Vec<u8>)>,
}

pub fn command(mut arguments: lexopt::Parser) -> Result<ExitCode> {
    use lexopt::prelude::*;
    let (mut manifest, mut out, mut sources) = (None, None, HashMap::new());
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("manifest") => manifest = arguments.value().ok().map(PathBuf::from),
            Long("out") => out = arguments.value().ok().map(PathBuf::from),
            Long("source") => {
                let value = arguments.value().map_err(|error| error.to_string())?;
                let value = value.to_string_lossy();
                let (name, folder) = value.split_once('=').ok_or("--source wants NAME=DIR")?;
                sources.insert(name.to_string(), PathBuf::from(folder));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let manifest = manifest.ok_or("--manifest FILE is missing")?;
    let out = out.ok_or("--out FILE is missing")?;
    let (bytes, entries) = build(&manifest, &out, &sources)?;
    println!("{}: {} KiB, {entries} entries", out.display(), bytes / 1024);
    Ok(ExitCode::SUCCESS)
}

/// Packs what a manifest says from folders that have names; bytes and entries of the archive.
pub fn build(
    manifest: &Path,
    out: &Path,
    sources: &HashMap<String, PathBuf>,
) -> Result<(usize, usize)> {
    let text = String::from_utf8(read_file(manifest)?).map_err(|error| error.to_string())?;
    let mut archive = Archive::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        archive
            .add_line(line, sources)
            .map_err(|error| format!("{}:{}: {error}", manifest.display(), index + 1))?;
    }
    let bytes = archive.encode();
    write_if_changed(out, &bytes)?;
    Ok((bytes.len(), archive.entries.len()))
}

impl Archive {
    fn add_line(&mut self, line: &str, sources: &HashMap<String, PathBuf>) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["dir", mode, ref paths @ ..] => {
                let mode = parse_mode(mode)?;
                paths
                    .iter()
                    .for_each(|path| self.add(path, FOLDER | mode, Vec::new()));
            }
            ["file", mode, path, source] => {
                self.add(
                    path,
                    FILE | parse_mode(mode)?,
                    read_file(&locate(source, sources)?)?,
                );
            }
            ["tree", source] => self.add_tree(&locate(source, sources)?, "")?,
            ["symlink", path, target] => self.add(path, SYMLINK | 0o777, target.into()),
            ["links", target, folder, ref names @ ..] => {
                for name in names {
                    self.add(&format!("{folder}/{name}"), SYMLINK | 0o777, target.into());
                }
            }
            _ => return Err(format!("cannot read the line: {line}")),
        }
        Ok(())
    }

    fn add(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        self.entries
            .insert(path.trim_start_matches('/').to_string(), (mode, content));
    }

    fn add_tree(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let listing =
            std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in listing {
            let path = entry.map_err(|error| error.to_string())?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let inside = format!("{prefix}/{name}");
            if path.is_dir() {
                self.add(&inside, FOLDER | 0o755, Vec::new());
                self.add_tree(&path, &inside)?;
            } else {
                let mode = path
                    .metadata()
                    .map_err(|error| error.to_string())?
                    .permissions()
                    .mode();
                let mode = if mode & 0o100 != 0 { 0o755 } else { 0o644 };
                self.add(&inside, FILE | mode, read_file(&path)?);
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (inode, (path, (mode, content))) in self.entries.iter().enumerate() {
            append(&mut bytes, inode as u32 + 1, path, *mode, content);
        }
        append(&mut bytes, 0, "TRAILER!!!", 0, &[]);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// One newc record: header of thirteen hexadecimal fields, name and content padded to 4 bytes.
fn append(bytes: &mut Vec<u8>, inode: u32, path: &str, mode: u32, content: &[u8]) {
    let links = if mode & FOLDER != 0 && mode & FILE != FILE {
        2
    } else {
        1
    };
    let size = content.len() as u32;
    let name_size = path.len() as u32 + 1;
    let fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
    bytes.extend(b"070701");
    fields
        .iter()
        .for_each(|field| bytes.extend(format!("{field:08x}").bytes()));
    bytes.extend(path.bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn parse_mode(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8).map_err(|_| format!("{text} is no octal mode"))
}

fn locate(source: &str, sources: &HashMap<String, PathBuf>) -> Result<PathBuf> {
    let (name, path) = source
        .split_once(':')
        .ok_or(format!("{source} is not SOURCE:NAME"))?;
    let folder = sources
        .get(name)
        .ok_or(format!("no --source {name}=DIR was given"))?;
    Ok(folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_aligned_and_closed_by_the_trailer() {
        let mut archive = Archive::default();
        archive
            .add_line("dir 755 /bin /etc", &HashMap::new())
            .unwrap();
        archive
            .add_line("links /bin/busybox /bin ls cat", &HashMap::new())
            .unwrap();
        let bytes = archive.encode();
        assert!(bytes.starts_with(b"07070100000001000041ed"));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("bin/ls\0") && text.contains("TRAILER!!!"));
        assert_eq!(bytes.len() % 512, 0);
    }

    #[test]
    fn a_wrong_line_is_refused() {
        assert!(
            Archive::default()
                .add_line("fifo /x", &HashMap::new())
                .is_err()
        );
        assert!(
            Archive::default()
                .add_line("file 644 /x nowhere:y", &HashMap::new())
                .is_err()
        );
    }
}

//! The server as OpenSSH's own `sftp` finds it: `-D` runs it without a connection between.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs `script` in `folder`; a computer without the client skips the test by `None`.
fn sftp(folder: &Path, script: &str) -> Option<Output> {
    let mut client = Command::new("sftp");
    client.args(["-D", env!("CARGO_BIN_EXE_sftp-server"), "-b", "-"]);
    client.current_dir(folder).stdin(Stdio::piped());
    client.stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut client) = client.spawn() else {
        eprintln!("skipped: no sftp on this computer");
        return None;
    };
    let mut input = client.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    Some(client.wait_with_output().unwrap())
}

/// The output of a script whose every command works.
fn works(folder: &Path, script: &str) -> Option<String> {
    let output = sftp(folder, script)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The complaint about a command that must not work.
fn fails(folder: &Path, script: &str, complaint: &str) {
    if let Some(output) = sftp(folder, script) {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{script} worked");
        assert!(errors.contains(complaint), "{script}: {errors}");
    }
}

#[test]
fn files_go_and_come_back_with_mode_and_time() {
    let folder = folder("round-trip");
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|index| (index % 253) as u8)
        .collect();
    fs::write(folder.join("from"), &bytes).unwrap();
    let script = "chmod 641 from\nput -p from there\nget -p there back\n";
    if works(&folder, script).is_some() {
        let (from, back) = (folder.join("from"), folder.join("back"));
        assert!(fs::read(&back).unwrap() == bytes, "the content differs");
        let [from, back] = [from, back].map(|path| fs::metadata(path).unwrap());
        assert_eq!(from.permissions(), back.permissions());
        let seconds = |time: std::time::SystemTime| {
            time.duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_secs()
        };
        let [from, back] = [from, back].map(|known| seconds(known.modified().unwrap()));
        assert_eq!(from, back);
    }
}

#[test]
fn trees_are_made_renamed_listed_and_removed() {
    let folder = folder("trees");
    let script = "mkdir a\nmkdir a/b\nput /proc/self/comm a/b/one\nln a/b/one a/two\nln -s b a/link\n\
                  rename a/two a/three\nls -l a\ncd a/link\npwd\ncd ../..\ndf\n";
    let Some(text) = works(&folder, script) else {
        return;
    };
    assert!(text.contains("drwxr-xr-x"), "{text}");
    assert!(text.contains("lrwxrwxrwx"), "{text}");
    assert!(text.contains("three"), "{text}");
    assert!(text.contains("trees/a/b\n"), "{text}");
    works(
        &folder,
        "get -R a copy\nrm a/b/one\nrm a/link\nrm a/three\nrmdir a/b\nrmdir a\n",
    );
    assert_eq!(fs::read(folder.join("copy/b/one")).unwrap(), b"sftp\n");
    assert!(!folder.join("a").exists());
}

#[test]
fn a_folder_of_a_thousand_is_listed_in_full() {
    let folder = folder("thousand");
    for number in 0..1000 {
        fs::write(folder.join(format!("file-{number}")), "").unwrap();
    }
    if let Some(text) = works(&folder, "ls -1\n") {
        assert_eq!(text.matches("file-").count(), 1000, "{text}");
    }
}

#[test]
fn names_that_are_not_utf_8_are_kept() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder("bytes");
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::write(folder.join(name), "latin").unwrap();
    if works(&folder, "mkdir to\nget caf* to/\n").is_some() {
        assert_eq!(fs::read(folder.join("to").join(name)).unwrap(), b"latin");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = folder("failures");
    fails(&folder, "get missing\n", "not found");
    fails(
        &folder,
        "put /proc/self/comm no/such/folder\n",
        "No such file",
    );
    fails(&folder, "rm missing\n", "No such file");
    fails(&folder, "mkdir a\nmkdir a/b\nrmdir a\n", "Failure");
    fails(&folder, "put /proc/self/comm /dev/full\n", "Failure");
}

#[test]
fn the_plain_renaming_replaces_nothing() {
    let folder = folder("renaming");
    for name in ["old", "taken"] {
        fs::write(folder.join(name), name).unwrap();
    }
    fails(&folder, "rename -l old taken\n", "Failure");
    fails(&folder, "rename -l old old/below\n", "No such file");
    if works(&folder, "rename -l old new\n").is_some() {
        assert_eq!(fs::read(folder.join("new")).unwrap(), b"old");
        assert_eq!(fs::read(folder.join("taken")).unwrap(), b"taken");
    }
}

//! fork, execve, wait: what passes from parent to child and back.

use crate::harness::{Folder, Outcome, Test, child, end_of, succeeds};
use crate::programs;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{getpgrp, getpid, getppid, getsid, setpgid, setsid};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

pub const TESTS: &[Test] = &[
    ("process.exit_status", exit_status),
    ("process.killed_by_signal", killed_by_signal),
    ("process.memory_is_private", memory_is_private),
    ("process.parent_and_child_ids", parent_and_child_ids),
    ("process.wait_for_any", wait_for_any),
    ("process.wait_without_children", wait_without_children),
    ("process.wait_without_hanging", wait_without_hanging),
    ("process.waitid_leaves_and_takes", waitid_leaves_and_takes),
    ("process.execute_arguments", execute_arguments),
    ("process.execute_environment", execute_environment),
    ("process.execute_missing", execute_missing),
    ("process.execute_script", execute_script),
    ("process.execute_truncated", execute_truncated),
    ("process.close_on_exec", close_on_exec),
    ("process.groups_and_sessions", groups_and_sessions),
    ("process.exit_group_ends_threads", exit_group_ends_threads),
    ("process.many_children_at_once", many_children_at_once),
    ("process.fork_in_turn", fork_in_turn),
];

fn exit_status() -> Outcome {
    for status in [0, 1, 42, 255] {
        ensure!(matches!(end_of(|| status)?, WaitStatus::Exited(_, found) if found == status));
    }
    Ok(())
}

fn killed_by_signal() -> Outcome {
    let sleeper = child(|| {
        loop {
            nix::unistd::pause();
        }
    })?;
    kill(sleeper, Signal::SIGKILL)?;
    ensure_eq!(
        waitpid(sleeper, None)?,
        WaitStatus::Signaled(sleeper, Signal::SIGKILL, false)
    );
    Ok(())
}

fn memory_is_private() -> Outcome {
    let mut data = vec![1_u8; 1 << 20];
    let writer = child(|| {
        data.fill(2);
        i32::from(data.iter().any(|&byte| byte != 2))
    })?;
    data[..4096].fill(3);
    succeeds(writer)?;
    ensure!(data[..4096].iter().all(|&byte| byte == 3));
    ensure!(data[4096..].iter().all(|&byte| byte == 1));
    Ok(())
}

fn parent_and_child_ids() -> Outcome {
    let parent = getpid();
    let found = child(|| i32::from(getppid() != parent || getpid() == parent))?;
    ensure!(found != parent);
    succeeds(found)
}

fn wait_for_any() -> Outcome {
    let mut children = vec![child(|| 1)?, child(|| 2)?, child(|| 3)?];
    for _ in 0..3 {
        let status = waitpid(None, None)?;
        let WaitStatus::Exited(pid, code) = status else {
            return Err(format!("{status:?}").into());
        };
        let place = children.iter().position(|&known| known == pid);
        ensure!(place.is_some(), "{pid} is no child of ours");
        ensure!((1..=3).contains(&code));
        children.retain(|&known| known != pid);
    }
    ensure!(children.is_empty());
    Ok(())
}

fn wait_without_children() -> Outcome {
    ensure_eq!(waitpid(None, None), Err(Errno::ECHILD));
    ensure_eq!(waitpid(getppid(), None), Err(Errno::ECHILD));
    Ok(())
}

fn wait_without_hanging() -> Outcome {
    let (reader, writer) = nix::unistd::pipe()?;
    let sleeper = child(|| i32::from(nix::unistd::read(&reader, &mut [0]).is_err()))?;
    ensure_eq!(
        waitpid(sleeper, Some(WaitPidFlag::WNOHANG))?,
        WaitStatus::StillAlive
    );
    nix::unistd::write(&writer, b"x")?;
    succeeds(sleeper)
}

fn waitid_leaves_and_takes() -> Outcome {
    let ended = child(|| 5)?;
    let expected = WaitStatus::Exited(ended, 5);
    ensure_eq!(
        waitid(Id::Pid(ended), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?,
        expected
    );
    ensure_eq!(waitid(Id::Pid(ended), WaitPidFlag::WEXITED)?, expected);
    ensure_eq!(
        waitid(Id::Pid(ended), WaitPidFlag::WEXITED),
        Err(Errno::ECHILD)
    );
    Ok(())
}

fn execute_arguments() -> Outcome {
    let output = programs::command("echo")
        .args(["one", "", "two words", "ä"])
        .output()?;
    ensure_eq!(String::from_utf8(output.stdout)?, "one  two words ä\n");
    let long = "x".repeat(100_000);
    let output = programs::command("echo").arg(&long).output()?;
    ensure_eq!(output.stdout.len(), long.len() + 1);
    let status = programs::command("status").arg("77").status()?;
    ensure_eq!(status.code(), Some(77));
    Ok(())
}

fn execute_environment() -> Outcome {
    let output = programs::command("environment")
        .env_clear()
        .env("WEAVE", "a=b")
        .output()?;
    ensure_eq!(String::from_utf8(output.stdout)?, "WEAVE=a=b\n");
    Ok(())
}

fn execute_missing() -> Outcome {
    let missing = std::process::Command::new("/no/such/program").status();
    ensure_eq!(
        missing.map_err(|error| error.kind()).err(),
        Some(std::io::ErrorKind::NotFound)
    );
    let folder = Folder::new()?;
    let path = folder.path("plain");
    std::fs::write(&path, "text")?;
    let denied = std::process::Command::new(&path).status();
    ensure_eq!(
        denied.map_err(|error| error.raw_os_error()).err().flatten(),
        Some(libc::EACCES)
    );
    Ok(())
}

fn execute_script() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("script");
    let this = std::env::current_exe()?;
    // The interpreter gets its one argument, the script's name, and the caller's arguments.
    std::fs::write(&path, format!("#!{} {}\n", this.display(), programs::MARK))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    let status = std::process::Command::new(&path)
        .stderr(Stdio::null())
        .status()?;
    ensure_eq!(status.code(), Some(98)); // the script's path is no program that we know
    Ok(())
}

fn execute_truncated() -> Outcome {
    let folder = Folder::new()?;
    let whole = std::fs::read(std::env::current_exe()?)?;
    for (name, length) in [
        ("empty", 0),
        ("magic", 4),
        ("header", 64),
        ("half-a-header", 30),
    ] {
        let path = folder.path(name);
        std::fs::write(&path, &whole[..length])?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        let path = std::ffi::CString::new(path.to_string_lossy().as_bytes())?;
        let outcome = nix::unistd::execv(&path, &[&path]);
        ensure!(
            matches!(outcome, Err(Errno::ENOEXEC | Errno::EIO | Errno::EINVAL)),
            "{name}: {outcome:?}"
        );
    }
    Ok(())
}

fn close_on_exec() -> Outcome {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::open("/proc/self/stat")?; // Rust opens with O_CLOEXEC
    let closed = programs::command("open")
        .arg(file.as_raw_fd().to_string())
        .status()?;
    ensure_eq!(closed.code(), Some(1));
    let kept = nix::unistd::dup(&file)?;
    let open = programs::command("open")
        .arg(kept.as_raw_fd().to_string())
        .status()?;
    ensure_eq!(open.code(), Some(0));
    Ok(())
}

fn groups_and_sessions() -> Outcome {
    let own_group = getpgrp();
    let found = child(|| {
        let inherited = getpgrp() == own_group;
        let own = setpgid(getpid(), getpid()).is_ok() && getpgrp() == getpid();
        let leader_cannot = setsid() == Err(Errno::EPERM);
        i32::from(!(inherited && own && leader_cannot))
    })?;
    succeeds(found)?;
    let session = child(|| {
        let id = setsid();
        i32::from(id != Ok(getpid()) || getpgrp() != getpid() || getsid(None) != Ok(getpid()))
    })?;
    succeeds(session)
}

fn exit_group_ends_threads() -> Outcome {
    let ending = child(|| {
        for _ in 0..8 {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
            std::thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
        }
        std::process::exit(9);
    })?;
    ensure_eq!(waitpid(ending, None)?, WaitStatus::Exited(ending, 9));
    Ok(())
}

fn many_children_at_once() -> Outcome {
    let children: Vec<_> = (0..64)
        .map(|number| child(move || number))
        .collect::<Result<_, _>>()?;
    for (number, pid) in children.into_iter().enumerate() {
        ensure_eq!(waitpid(pid, None)?, WaitStatus::Exited(pid, number as i32));
    }
    Ok(())
}

fn fork_in_turn() -> Outcome {
    for _ in 0..200 {
        succeeds(child(|| 0)?)?;
    }
    Ok(())
}

//! What the kernel's services cost a program: one row each, timed by itself.
//!
//! `bench [--samples N] [--list] [NAME,NAME...]` runs the rows of these names, or all. The same
//! binary runs on Linux and on Weft, and prints the same lines (`report.rs`). Each row runs in
//! a process of its own (`child.rs`): one that fails takes no other with it.
//!
//! `main` is the C library's: the exec rows start this program with one word that ends it at
//! once, and what Rust's runtime does before its `main` is no cost of the kernel's.

#![cfg_attr(not(test), no_main)]

mod bare_thread;
mod child;
mod clock;
mod counters;
mod cpus;
mod idleness;
mod limits;
mod loopback;
mod mapping;
mod measure;
mod peer;
mod report;
mod rows;
mod team;
mod trace;
mod window;
mod word;

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;

struct Options {
    samples: usize,
    list: bool,
    names: Vec<String>,
}

/// # Safety
/// `words` points to `count` terminated strings, as the C library's start-up code has it.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn main(count: i32, words: *const *const c_char) -> i32 {
    let word = |index: i32| {
        // SAFETY: one of `count` terminated strings, says the caller.
        let word = unsafe { CStr::from_ptr(*words.add(index as usize)) };
        OsStr::from_bytes(word.to_bytes())
    };
    if count > 1 && word(1) == child::EXIT {
        return 0;
    }
    match command((1..count).map(|index| word(index).to_owned())) {
        Ok(0) => 0,
        Ok(_) => 1,
        Err(message) => {
            eprintln!("bench: {message}");
            1
        }
    }
}

/// How many rows failed.
fn command(words: impl Iterator<Item = OsString>) -> Result<usize, String> {
    let options = parse(lexopt::Parser::from_args(words))?;
    if options.list {
        rows::all()
            .iter()
            .for_each(|row| println!("{:22} {}", row.name, row.what));
        return Ok(0);
    }
    let plan = measure::Plan {
        samples: options.samples,
    };
    let failed = rows::chosen(&options.names)?
        .into_iter()
        .filter(|row| !child::run(row, plan))
        .count();
    println!("bench ends: {failed} failed");
    Ok(failed)
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options, String> {
    use lexopt::prelude::*;
    let mut options = Options {
        samples: 5,
        list: false,
        names: Vec::new(),
    };
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("samples") => options.samples = common::arguments::value(&mut arguments)?,
            Long("list") => options.list = true,
            Value(names) => {
                let names = names.to_string_lossy();
                options.names.extend(names.split(',').map(String::from));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    options.samples = options.samples.max(1);
    Ok(options)
}

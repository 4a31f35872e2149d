//! Address spaces, one behaviour at a time, seen through simulated TLBs.

#[path = "../common/mod.rs"]
mod common;
#[cfg(not(miri))] // About TLBs, which are simulated: nothing for miri to find.
mod flushes;
mod forking;
mod growth;
mod mapping;
mod rights;
mod scene;
mod sources;

//! Files and folders on a temporary file system, and the tables in /proc.

pub mod content;
pub mod descriptors;
pub mod names;
pub mod tables;

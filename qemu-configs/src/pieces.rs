//! A program's output as it comes, read on a thread of its own, so that its reader can give up.

use std::io::Read;
use std::sync::mpsc::Sender;

/// Sends what comes from `from` until nobody has its other end any more, or nobody listens.
pub fn forward(mut from: impl Read + Send + 'static, to: &Sender<Vec<u8>>) {
    let to = to.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
}

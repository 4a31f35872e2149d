//! The login shell is brush as its authors ship it, built with what this system needs.

fn main() {
    brush_shell::entry::run();
}

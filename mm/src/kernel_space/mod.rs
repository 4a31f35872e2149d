//! The kernel's own translations (TTBR1): building them at boot, and the dynamic window for
//! device registers and thread stacks.

mod stack;
mod table;
mod window;

use crate::addr::VirtAddr;
use core::ops::Range;

pub use stack::{STACK_PAGES, Stack, is_stack_guard};
pub use table::{KernelAccess, KernelTable};
pub use window::{init, map_device, translate};

/// The dynamic window: device registers in its first half, stacks with guard pages in the other.
pub const WINDOW: Range<VirtAddr> =
    VirtAddr(0xffff_9000_0000_0000)..VirtAddr(0xffff_a000_0000_0000);

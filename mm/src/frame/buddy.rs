//! The buddy lists: free blocks of 1, 2, 4 ... frames, split on demand and merged when freed.
//!
//! Heads are here, links in the frame array; everything under one lock (`frame::BUDDY`).

use super::array::{self, NIL, STATE_FREE, STATE_USED};
use crate::addr::FrameNumber;
use core::sync::atomic::Ordering::Relaxed;

/// Blocks reach 2^(ORDERS-1) frames: 16 MiB.
pub const ORDERS: usize = 13;

pub struct Buddy {
    heads: [u32; ORDERS],
    free: usize,
}

impl Buddy {
    pub const fn new() -> Self {
        Self {
            heads: [NIL; ORDERS],
            free: 0,
        }
    }

    /// Frames on the lists.
    pub fn free(&self) -> usize {
        self.free
    }

    /// A block of exactly `1 << order` frames.
    pub fn take(&mut self, order: usize) -> Option<FrameNumber> {
        let found = (order..ORDERS).find(|&at| self.heads[at] != NIL)?;
        let block = FrameNumber(self.heads[found]);
        self.unlink(block, found);
        for half in (order..found).rev() {
            self.link(FrameNumber(block.0 + (1 << half)), half);
        }
        self.free -= 1 << order;
        Some(block)
    }

    /// Takes a block back and merges it upwards.
    pub fn give(&mut self, block: FrameNumber, order: usize) {
        self.free += 1 << order;
        let (mut block, mut order) = (block, order);
        debug_assert!(
            array::info(block).state.load(Relaxed) != STATE_FREE,
            "freed twice: {block:?}"
        );
        while order + 1 < ORDERS {
            let buddy = FrameNumber(block.0 ^ (1 << order));
            if !is_free_block(block, buddy, order) {
                break;
            }
            self.unlink(buddy, order);
            block = FrameNumber(block.0 & !(1 << order));
            order += 1;
        }
        self.link(block, order);
    }

    /// Gives any run of frames, in the largest aligned blocks.
    pub fn give_range(&mut self, mut first: u32, end: u32) {
        while first < end {
            let aligned = first.trailing_zeros().min(ORDERS as u32 - 1);
            let fits = (end - first).ilog2();
            let order = aligned.min(fits) as usize;
            self.give(FrameNumber(first), order);
            first += 1 << order;
        }
    }

    fn link(&mut self, block: FrameNumber, order: usize) {
        let info = array::info(block);
        info.order.store(order as u8, Relaxed);
        info.state.store(STATE_FREE, Relaxed);
        info.previous.store(NIL, Relaxed);
        info.next.store(self.heads[order], Relaxed);
        if self.heads[order] != NIL {
            array::info(FrameNumber(self.heads[order]))
                .previous
                .store(block.0, Relaxed);
        }
        self.heads[order] = block.0;
    }

    fn unlink(&mut self, block: FrameNumber, order: usize) {
        let info = array::info(block);
        let (next, previous) = (info.next.load(Relaxed), info.previous.load(Relaxed));
        match previous {
            NIL => self.heads[order] = next,
            frame => array::info(FrameNumber(frame)).next.store(next, Relaxed),
        }
        if next != NIL {
            array::info(FrameNumber(next))
                .previous
                .store(previous, Relaxed);
        }
        info.state.store(STATE_USED, Relaxed);
    }
}

/// Whether `buddy` heads a free block of `order` in the region of `block`.
fn is_free_block(block: FrameNumber, buddy: FrameNumber, order: usize) -> bool {
    let Some(info) = array::find(buddy) else {
        return false;
    };
    info.state.load(Relaxed) == STATE_FREE
        && info.order.load(Relaxed) as usize == order
        && array::same_region(block, buddy)
}

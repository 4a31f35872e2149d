//! The vDSO (vdso(7)): user code that reads the clocks without entering the kernel, and where
//! signal handlers return to if the program named no restorer.
//!
//! Two pages, the same frames in every process: the [`ClockPage`], read-only, and the library
//! after it. The library computes the time from the counter just as the kernel does. Its only
//! changing input is one aligned word, so a reader needs neither a lock nor a sequence count.

use crate::arch;
use crate::error::{Errno, Result};
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use mm::space::{Backing, Label, MapFlags, MapRequest, PageError, Placement, Prot, SourceIdentity};
use mm::{AddressSpace, FrameRef, PAGE_SIZE, PageSource};
use spin::Once;

/// What the library reads. `vdso.S` takes its offsets from this type.
#[repr(C)]
pub struct ClockPage {
    /// Nanoseconds per tick of the virtual counter, as a 32.32 fixed-point number.
    pub ns_per_tick: AtomicU64,
    /// Real time at monotonic 0, in nanoseconds.
    pub real_offset_ns: AtomicI64,
}

/// The frames behind the pages, in the order of their addresses.
struct Pages([FrameRef; 2]);

static PAGES: Once<Arc<Pages>> = Once::new();

/// Where a program finds the vDSO.
#[derive(Clone, Copy)]
pub struct Mapped {
    /// The ELF header's address (`AT_SYSINFO_EHDR`).
    pub base: usize,
    /// Where signal handlers return to.
    pub sigreturn: usize,
}

impl Pages {
    fn new() -> Result<Self> {
        let mut clock = mm::frame::alloc_zeroed().map_err(|_| Errno::ENOMEM)?;
        let mut library = mm::frame::alloc_zeroed().map_err(|_| Errno::ENOMEM)?;
        clock.bytes_mut()[..8].copy_from_slice(&arch::ns_per_tick().to_ne_bytes());
        let image = arch::vdso::image();
        library.bytes_mut()[..image.len()].copy_from_slice(image);
        Ok(Self([clock.share(), library.share()]))
    }

    fn clock(&self) -> &ClockPage {
        // SAFETY: the frame is held, page-aligned, and only ever accessed through these atomics;
        // any bytes are valid for them.
        unsafe { &*self.0[0].as_ptr().cast::<ClockPage>() }
    }
}

impl PageSource for Pages {
    fn page(&self, index: u64, _for_write: bool) -> core::result::Result<FrameRef, PageError> {
        let frame = usize::try_from(index).ok().and_then(|at| self.0.get(at));
        frame.cloned().ok_or(PageError::PastEnd)
    }

    fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            name: String::from("[vdso]"),
            ..SourceIdentity::default()
        }
    }
}

/// Makes the pages: once at boot, before the real clock is set and before the first program.
pub fn init() -> Result<()> {
    PAGES.try_call_once(|| Pages::new().map(Arc::new)).map(drop)
}

/// Tells all programs the real clock's new offset. One caller at a time.
pub fn publish_real_offset(offset_ns: i64) {
    if let Some(pages) = PAGES.get() {
        let word = &pages.clock().real_offset_ns;
        word.store(offset_ns, Ordering::Relaxed);
    }
}

/// Maps both pages next to each other, wherever there is room.
pub fn map(memory: &AddressSpace) -> Result<Mapped> {
    let source = PAGES.get().ok_or(Errno::ENOEXEC)?;
    let place = |placement, length, prot, label, first| {
        memory.map(MapRequest {
            placement,
            length,
            prot,
            flags: MapFlags::empty(),
            backing: Backing::Source {
                source: source.clone() as Arc<dyn PageSource>,
                first,
            },
            label,
        })
    };
    let read_execute = Prot::READ | Prot::EXEC;
    let clock = place(
        Placement::Hint(0),
        2 * PAGE_SIZE,
        Prot::READ,
        Label::Vvar,
        0,
    )?;
    let base = clock + PAGE_SIZE;
    place(
        Placement::Fixed(base),
        PAGE_SIZE,
        read_execute,
        Label::Vdso,
        1,
    )?;
    Ok(Mapped {
        base,
        sigreturn: base + arch::vdso::sigreturn(),
    })
}

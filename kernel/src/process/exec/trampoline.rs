//! The page of kernel-provided user code: where signal handlers return to if the program named no
//! restorer (glibc does not).

use crate::error::{Errno, Result};
use alloc::string::String;
use alloc::sync::Arc;
use mm::space::{Backing, Label, MapFlags, MapRequest, PageError, Placement, Prot, SourceIdentity};
use mm::{AddressSpace, FrameRef, PAGE_SIZE, PageSource};
use spin::Once;

/// `mov x8, #139` (rt_sigreturn); `svc #0`. A `nop` before it keeps unwinders, which look one
/// instruction back from a return address, inside the page's code.
const CODE: [u32; 3] = [0xd503_201f, 0xd280_1168, 0xd400_0001];
/// Where handlers return to: past the `nop`.
const ENTRY: usize = 4;

struct Page(FrameRef);

impl PageSource for Page {
    fn page(&self, index: u64, _for_write: bool) -> Result<FrameRef, PageError> {
        if index == 0 {
            Ok(self.0.clone())
        } else {
            Err(PageError::PastEnd)
        }
    }

    fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            name: String::from("[vdso]"),
            ..SourceIdentity::default()
        }
    }
}

fn source() -> Result<Arc<dyn PageSource>> {
    static SOURCE: Once<Arc<Page>> = Once::new();
    SOURCE
        .try_call_once(|| {
            let mut frame = mm::frame::alloc_zeroed().map_err(|_| Errno::ENOMEM)?;
            for (bytes, word) in frame.bytes_mut().chunks_exact_mut(4).zip(CODE) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            Ok(Arc::new(Page(frame.share())))
        })
        .map(|page| page.clone() as Arc<dyn PageSource>)
}

/// Maps the page; returns the address handlers return to.
pub fn map(memory: &AddressSpace) -> Result<usize> {
    let request = MapRequest {
        placement: Placement::Hint(0),
        length: PAGE_SIZE,
        prot: Prot::READ | Prot::EXEC,
        flags: MapFlags::empty(),
        backing: Backing::Source {
            source: source()?,
            first: 0,
        },
        label: Label::Vdso,
    };
    Ok(memory.map(request)? + ENTRY)
}

//! The console: kernel log lines and terminal output, whole, over one UART; typed input.
//!
//! Before the UART is known, log lines wait in a buffer that [`attach`] prints. Input arrives by
//! interrupt; `Ctrl-]` makes the next key a command to the kernel itself ([`keys`]).

mod kernel_log;
#[cfg(target_os = "none")]
mod keys;
#[cfg_attr(not(target_os = "none"), path = "console/no_uart.rs")]
mod pl011;
mod ring;

use crate::arch;
use crate::machine::Device;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use pl011::Pl011;
use ring::Ring;
use smp::{SpinLock, WaitQueue};
use spin::Once;

pub use kernel_log::{init_log, read_log};

static UART: Once<Pl011> = Once::new();
/// Held while a line or a terminal's bytes are sent, so that no two are mixed.
static OUTPUT: SpinLock<()> = SpinLock::new(());
/// The CPU that panicked: it alone prints, past whoever holds [`OUTPUT`].
static SEIZED_BY: AtomicUsize = AtomicUsize::new(NOBODY);
const NOBODY: usize = usize::MAX;

static INPUT: SpinLock<Ring<1024>> = SpinLock::new(Ring::new());
static TYPED: WaitQueue = WaitQueue::new();

/// Starts to use the UART; prints what was logged before.
pub fn attach(device: Device) {
    UART.call_once(|| Pl011::new(device.registers));
    kernel_log::print_backlog();
}

/// Lets typed characters in: after the scheduler runs.
#[cfg(target_os = "none")]
pub fn enable_input(device: Device) {
    crate::irq::register("uart", device.interrupt, on_interrupt);
    if let Some(uart) = UART.get() {
        uart.enable_receive_interrupt();
    }
}

/// Sends a terminal's output as it is. In pieces: IRQs are masked while one is sent.
pub fn write(bytes: &[u8]) {
    const PIECE: usize = 128;
    bytes.chunks(PIECE).for_each(write_whole);
}

/// Sends bytes that nothing may come between: a line.
fn write_whole(bytes: &[u8]) {
    let Some(uart) = UART.get() else { return };
    let seized_by = || SEIZED_BY.load(Ordering::Acquire);
    if seized_by() == percpu::cpu_id().index() {
        return uart.send(bytes);
    }
    let _output = OUTPUT.lock();
    if seized_by() == NOBODY {
        uart.send(bytes);
    }
}

/// From now on only this CPU prints, whatever becomes of the lock: a panic. A line that another
/// CPU is sending may end first.
pub fn seize() {
    const PATIENCE_NS: u64 = 100_000_000;
    let end = arch::now_ns() + PATIENCE_NS;
    loop {
        if let Some(output) = OUTPUT.try_lock() {
            SEIZED_BY.store(percpu::cpu_id().index(), Ordering::Release);
            return drop(output);
        }
        if arch::now_ns() > end {
            return SEIZED_BY.store(percpu::cpu_id().index(), Ordering::Release);
        }
        percpu::spin_hint();
    }
}

/// Waits for typed characters and takes as many as fit.
pub fn read_input(into: &mut [u8]) -> usize {
    let taken = TYPED.wait_until(None, || {
        let count = INPUT.lock().take(into);
        (count > 0).then_some(count)
    });
    taken.unwrap_or(0)
}

#[cfg(target_os = "none")]
fn on_interrupt() {
    let Some(uart) = UART.get() else { return };
    uart.acknowledge_receive();
    while let Some(byte) = uart.receive() {
        if let Some(byte) = keys::filter(byte) {
            INPUT.lock().put(byte);
        }
    }
    TYPED.wake_all();
}

/// Formatted output straight to the UART, a carriage return before each line feed.
pub struct Raw;

impl fmt::Write for Raw {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => {
                    write(line.as_bytes());
                    write(b"\r\n");
                }
                None => write(line.as_bytes()),
            }
        }
        Ok(())
    }
}

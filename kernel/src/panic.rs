//! The end: stop the other CPUs, say what happened once and untorn, and stay down.

use crate::arch::TrapFrame;
use crate::arch::aarch64::{backtrace, cpu, gic, timer};
use crate::console::{self, Raw};
use crate::irq::sgi;
use crate::symbols::Symbol;
use crate::trace;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use percpu::{CpuId, cpu_local};

const NOBODY: usize = usize::MAX;

/// The CPU that panicked first.
static PANICKED: AtomicUsize = AtomicUsize::new(NOBODY);

/// Makes this CPU the one that reports. Another CPU's later panic stops that CPU silently; this
/// CPU's own, in the middle of its report, stops here.
fn begin() {
    percpu::irq::mask_for_good();
    let own = percpu::cpu_id().index();
    if PANICKED
        .compare_exchange(NOBODY, own, Ordering::AcqRel, Ordering::Relaxed)
        .is_err()
    {
        cpu::halt();
    }
    gic::send_sgi_others(sgi::STOP);
    console::seize();
}

macro_rules! say {
    // Nobody is left to hear of a failure to print.
    ($($text:tt)*) => { let _ = writeln!(Raw, $($text)*); };
}

cpu_local! {
    /// The frame record of a stopped CPU, for its backtrace; 0 while it runs.
    static STOPPED_AT: AtomicU64 = AtomicU64::new(0);
}

/// The handler of the SGI that a panicking CPU sends.
pub fn stop_this_cpu() -> ! {
    STOPPED_AT
        .any()
        .store(backtrace::own_record(), Ordering::Release);
    cpu::halt()
}

/// False for a CPU that was taken off.
fn may_run(cpu: CpuId) -> bool {
    !smp::runtime::is_installed() || smp::cpu_stats(cpu).online
}

/// Where the other CPUs were. One that does not answer for a while has its interrupts masked.
fn say_other_cpus() {
    const PATIENCE_NS: u64 = 200_000_000;
    let (own, end) = (percpu::cpu_id(), timer::now_ns() + PATIENCE_NS);
    for cpu in (0..percpu::MAX_CPUS)
        .map(CpuId::new)
        .filter(|cpu| *cpu != own && percpu::is_present(*cpu) && may_run(*cpu))
    {
        let stopped_at = || STOPPED_AT.remote(cpu).load(Ordering::Acquire);
        while stopped_at() == 0 && timer::now_ns() < end {
            percpu::spin_hint();
        }
        match stopped_at() {
            0 => {
                say!("CPU {} does not answer", cpu.index());
            }
            record => {
                say!("CPU {}:", cpu.index());
                backtrace::from_record(record, say_address);
            }
        }
    }
}

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    begin();
    say!(
        "\nkernel panic on CPU {}: {}",
        percpu::cpu_id().index(),
        info.message()
    );
    if let Some(place) = info.location() {
        say!("at {place}");
    }
    say!("backtrace:");
    backtrace::here(say_address);
    say_thread();
    finish()
}

/// An exception in the kernel that nothing can resolve.
pub fn exception(what: &str, frame: &TrapFrame) -> ! {
    begin();
    say!("\nkernel panic on CPU {}: {what}", percpu::cpu_id().index());
    say!(
        "esr {:#x} far {:#x} pstate {:#x}",
        frame.esr,
        frame.far,
        frame.pstate
    );
    say!("pc {} sp {:#x}", Symbol(frame.pc), frame.sp);
    for (index, pair) in frame.x.chunks(4).enumerate() {
        for (offset, value) in pair.iter().enumerate() {
            let _ = write!(Raw, "x{:<2} {value:016x}  ", index * 4 + offset);
        }
        say!("");
    }
    say!("backtrace:");
    backtrace::of_frame(frame, say_address);
    say_thread();
    finish()
}

fn say_thread() {
    if smp::runtime::is_installed() {
        say!("thread {}", smp::current_id().tid);
    }
}

fn say_address(address: u64) {
    say!("  {}", Symbol(address));
}

/// What each CPU did last, now that all have stopped.
fn say_last_events() {
    const EVENTS: usize = 8;
    for cpu in (0..percpu::MAX_CPUS)
        .map(CpuId::new)
        .filter(|cpu| percpu::is_present(*cpu))
    {
        say!("CPU {} did last:", cpu.index());
        for record in trace::last(cpu, EVENTS) {
            say!("  {}", trace::Shown(record));
        }
    }
}

/// The others, then a line that test runners look for, then silence.
fn finish() -> ! {
    #[cfg(feature = "chaos")]
    if let Some(seed) = crate::chaos::seed() {
        say!("chaos: seed {seed}");
    }
    say_other_cpus();
    say_last_events();
    say!("kernel panic: halted");
    cpu::halt()
}

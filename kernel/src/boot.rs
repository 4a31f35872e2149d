//! From the first Rust line to a running system: what is done once, what on each CPU.
//!
//! Each step says what it needs; see docs/boot.md for the whole way.

use crate::arch::aarch64::early_map::EarlyMap;
use crate::arch::aarch64::mmu::{self, Image};
use crate::arch::aarch64::{cpu, gate, gic, psci, secondary, stack, timer, tlb};
use crate::machine::{self, Machine, MemoryMap, Region};
use crate::process::exec::{init, vdso};
use crate::process::membarrier;
use crate::{
    console, drivers, fs, hotplug, irq, panic, sched, selftest, standby, symbols, trace, tty,
};
use core::ops::Range;
use mm::PhysAddr;
use mm::kernel_space::{self, KernelTable};
use percpu::CpuId;
use smp::ThreadSpec;

unsafe extern "C" {
    static mut __boot_percpu: u8;
}

/// The boot CPU arrives here from `boot.S`: MMU on, boot stack, IRQs masked, per-CPU data not yet.
#[unsafe(no_mangle)]
extern "C" fn weft_boot_cpu(tree: *const u8, tree_physical: u64, image_physical: u64) -> ! {
    // Before anything locks: per-CPU data. The number is put right once the tree is read.
    set_boot_percpu(CpuId::new(0));
    console::init_log(log::LevelFilter::Info);
    let image = Image {
        physical: image_physical,
    };
    let tree = read_tree(tree);
    memory(tree, tree_physical, image); // frames, heap
    let machine =
        machine::install(Machine::parse(tree).expect("a device tree that names the machine"));
    final_table(machine, image); // W^X, no user half
    symbols::install(mmu::appended(image.region()));
    timer::init(); // the clock
    vdso::init().expect("memory at boot"); // its page in user space
    if let Some(uart) = machine.uart {
        console::attach(uart);
    }
    describe(machine, image);
    stack::init_overflow(percpu::cpu_id()).expect("memory at boot");
    if let Some(conduit) = machine.psci {
        psci::init(conduit);
        standby::init(machine);
    }
    gic::init_distributor(&machine.gic);
    install_private_interrupts(machine);
    let fatal = machine.option("weft.check") == Some("panic");
    smp::checks::set_fatal(fatal);
    #[cfg(feature = "chaos")]
    crate::chaos::init(machine);
    sched::init(); // threads may be created; they run once a CPU idles
    on_each_cpu();
    smp::spawn(ThreadSpec::new("boot", || rest(machine))).expect("memory at boot");
    smp::run_idle()
}

/// A started CPU arrives here from `boot.S`: final tables, its own stack, IRQs masked.
#[unsafe(no_mangle)]
extern "C" fn weft_boot_secondary(number: usize) -> ! {
    // SAFETY: `secondary::start` made this CPU's area, and no other CPU has this number.
    unsafe { percpu::set_base(CpuId::new(number)) };
    mmu::leave_user_table();
    on_each_cpu();
    smp::run_idle()
}

/// What every CPU does for itself, IRQs masked, before it takes threads.
fn on_each_cpu() {
    cpu::init(); // features, EL0's counter
    trace::init_cpu();
    hotplug::init_this_cpu(); // its interrupts and timer
    gate::open(sched::doorway()); // user threads may run
    hotplug::this_cpu_came();
}

/// The rest of boot, in a thread: it may sleep.
fn rest(machine: &'static Machine) {
    mm::frame::enable_depot();
    start_secondaries(machine);
    if let Some(uart) = machine.uart {
        console::enable_input(uart);
    }
    if machine.option("weft.selftest").is_some() {
        report_cpus(machine); // the tests are for all of them
        return selftest::run(machine);
    }
    smp::spawn(ThreadSpec::new("cpu-report", || report_cpus(machine))).expect("memory at boot");
    user_space(machine);
}

/// The root file system, the drivers, and pid 1: `init=PATH` of the command line, or `/init`.
fn user_space(machine: &'static Machine) {
    fs::init(machine.initrd.map_or(&[], initrd_bytes));
    if let Some(region) = machine.initrd {
        let range = PhysAddr(region.base)..PhysAddr(region.end());
        // SAFETY: reserved at `memory`; the file tree has copied what it needs.
        unsafe { mm::frame::release_reserved(range) };
    }
    tty::console::init();
    drivers::start(machine);
    if machine.option("weft.trace").is_some() {
        crate::syscall::trace();
    }
    let path = machine
        .option("init")
        .filter(|path| !path.is_empty())
        .unwrap_or("/init");
    if let Err(error) = init::start(path, &[path], &["HOME=/", "TERM=linux"]) {
        log::error!("no first process: {error:?}");
    }
}

fn initrd_bytes(region: Region) -> &'static [u8] {
    let start = mm::phys_map::pointer(PhysAddr(region.base));
    // SAFETY: the loader put the initrd into RAM, which is mapped; it stays reserved, and nobody
    // writes to it, until `user_space` gives it back.
    unsafe { core::slice::from_raw_parts(start, region.size as usize) }
}

fn set_boot_percpu(cpu: CpuId) {
    // SAFETY: the linker script reserves this area for the boot CPU; nothing used it so far but
    // under the provisional number, and no other CPU runs.
    unsafe {
        percpu::init_area(cpu, &raw mut __boot_percpu);
        percpu::set_base(cpu);
    }
}

/// The flattened tree, whose length is in its header.
fn read_tree(tree: *const u8) -> &'static [u8] {
    const MAGIC: u32 = 0xd00d_feed;
    const MAX_SIZE: usize = 2 << 20;
    // SAFETY: `boot.S` mapped 2 MiB from the block that holds the tree.
    let word = |index: usize| u32::from_be(unsafe { tree.cast::<u32>().add(index).read() });
    let size = if word(0) == MAGIC {
        (word(1) as usize).min(MAX_SIZE)
    } else {
        0
    };
    // SAFETY: as above; the header's size is bounded by what is mapped.
    unsafe { core::slice::from_raw_parts(tree, size) }
}

/// Maps all RAM and hands it to the frame allocator; then there is a heap.
fn memory(tree: &[u8], tree_physical: u64, image: Image) {
    let map = MemoryMap::parse(tree, cpu::affinity()).expect("a device tree with memory and CPUs");
    if map.boot_cpu != 0 {
        set_boot_percpu(CpuId::new(map.boot_cpu));
    }
    // SAFETY: once, by the boot CPU on the boot tables.
    let mut early = unsafe { EarlyMap::new(image.physical) };
    map.ram
        .as_slice()
        .iter()
        .for_each(|region| early.add(*region));
    early.finish();
    let mut reserved = map.reserved.clone();
    let own = [
        image.region(),
        Region {
            base: tree_physical,
            size: tree.len() as u64,
        },
    ];
    assert!(
        own.iter().all(|region| reserved.add(*region)),
        "too many reserved regions"
    );
    with_ranges(map.ram.as_slice(), |ram| {
        with_ranges(reserved.as_slice(), |reserved| {
            // SAFETY: once, first of all uses of `mm`; the early map covers RAM, and what is in
            // use of it is reserved.
            unsafe { mm::frame::init(ram, reserved) };
        });
    });
}

/// The regions as `mm` wants them, without a heap.
fn with_ranges(regions: &[Region], use_them: impl FnOnce(&[Range<PhysAddr>])) {
    const EMPTY: Range<PhysAddr> = PhysAddr(0)..PhysAddr(0);
    let mut ranges = [EMPTY; 36];
    for (range, region) in ranges.iter_mut().zip(regions) {
        *range = PhysAddr(region.base)..PhysAddr(region.end());
    }
    use_them(&ranges[..regions.len()]);
}

fn final_table(machine: &Machine, image: Image) {
    mm::tlb::install(&tlb::HardwareTlb);
    let mut table = KernelTable::new().expect("memory at boot");
    mmu::map_kernel(&mut table, image, &machine.memory).expect("memory at boot");
    // SAFETY: the boot CPU, IRQs masked; the table maps the image and all RAM.
    unsafe { mmu::enter_final_table(table.root(), image) };
    kernel_space::init(table);
}

fn describe(machine: &Machine, image: Image) {
    log::info!("Weft on {}, {} CPUs", machine.model, machine.cpus.len());
    for region in &machine.memory {
        log::info!(
            "memory {:#x}..{:#x}, {} MiB",
            region.base,
            region.end(),
            region.size >> 20
        );
    }
    let taken = [("image", Some(image.region())), ("initrd", machine.initrd)];
    for (what, region) in taken {
        if let Some(region) = region {
            log::info!("{what} {:#x}..{:#x}", region.base, region.end());
        }
    }
    for region in &machine.reserved {
        log::info!("reserved {:#x}..{:#x}", region.base, region.end());
    }
    for doubt in &machine.topology.doubts {
        log::warn!("device tree: {doubt}");
    }
    log::info!("command line: {}", machine.command_line);
}

fn install_private_interrupts(machine: &Machine) {
    use irq::sgi;
    irq::install("timer", machine.timer.intid, || {
        // The line stays up for as long as the deadline has passed: one-shot is our doing.
        timer::set_deadline(None);
        smp::on_timer();
    });
    irq::install("reschedule", sgi::RESCHEDULE.into(), smp::on_reschedule_ipi);
    irq::install("stop", sgi::STOP.into(), || panic::stop_this_cpu());
    irq::install("barrier", sgi::BARRIER.into(), membarrier::answer);
    irq::install("report", sgi::REPORT.into(), crate::report::this_cpu);
}

/// Starts every other CPU. Nothing waits for one: each takes threads when it is ready.
fn start_secondaries(machine: &'static Machine) {
    let own = cpu::affinity();
    let others = (0..machine.cpus.len())
        .map(CpuId::new)
        .filter(|cpu| machine.mpidr(*cpu) != own);
    for cpu in others {
        if let Err(error) = secondary::start(cpu) {
            log::error!("CPU {} does not start: {error:?}", cpu.index());
        }
    }
}

/// Says which CPUs came, and after a while which did not.
fn report_cpus(machine: &Machine) {
    const PATIENCE_NS: u64 = 10_000_000_000;
    let all = || (smp::online_cpus().iter().count() == machine.cpus.len()).then_some(());
    let came = hotplug::wait_until(smp::now_ns() + PATIENCE_NS, all);
    let online = smp::online_cpus();
    match came {
        Some(()) => log::info!("CPUs {online} online"),
        None => log::error!("only CPUs {online} of {} online", machine.cpus.len()),
    }
}

//! What the parts of scheduling cost, in nanoseconds of a CPU that executes one instruction in
//! one nanosecond.

/// The table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// A system call's way in and out.
    pub call_ns: u64,
    /// Taking an interrupt and returning from it.
    pub interrupt_ns: u64,
    /// Making a thread ready and choosing a CPU for it.
    pub wake_ns: u64,
    /// Choosing the next thread and changing to it, the tail included.
    pub switch_ns: u64,
    /// Offering to others what a wake leaves waiting on a CPU that is busy.
    pub offer_ns: u64,
    /// Changing to the idle thread.
    pub rest_ns: u64,
    /// What a switch costs beyond that if the former thread wants to go on: it is queued and offered.
    pub preempt_ns: u64,
    /// Sending an interrupt to another CPU, at the sender.
    pub send_ns: u64,
    /// From there until its handler begins.
    pub latency_ns: u64,
    /// Setting the timer.
    pub timer_ns: u64,
    /// Looking at a cache line that other CPUs write, in search of work.
    pub probe_ns: u64,
    /// The same in search of a CPU for a thread.
    pub look_ns: u64,
    /// Taking a thread from another CPU's queue.
    pub claim_ns: u64,
    /// Holding a global lock for one queue operation.
    pub lock_ns: u64,
    /// Refilling caches after moving within a cluster, to another cluster, to another node.
    pub refill_ns: [u64; 3],
    /// CPUs take turns: while one acts, the others do nothing but compute.
    pub turns: bool,
}

impl Costs {
    /// Nothing costs anything but an interrupt between CPUs, which takes 2 us: for tests of
    /// correctness.
    pub const FREE: Self = Self {
        call_ns: 0,
        interrupt_ns: 0,
        wake_ns: 0,
        switch_ns: 0,
        offer_ns: 0,
        rest_ns: 0,
        preempt_ns: 0,
        send_ns: 0,
        latency_ns: 2_000,
        timer_ns: 0,
        probe_ns: 0,
        look_ns: 0,
        claim_ns: 0,
        lock_ns: 0,
        refill_ns: [0; 3],
        turns: false,
    };

    /// From exact instruction counts, `make bench COUNT='one four'`:
    ///
    /// | row | instructions | gives |
    /// |---|---|---|
    /// | `null-syscall` | 148 | call |
    /// | `yield-switch` | 855 | switch = 855 - 148 |
    /// | `futex-same` | 3,352 | wake = 3,352 / 2 - 2 x 148 - switch, the futex's own part in it |
    /// | `stress --drill pair` | 2,376 | interrupt = 2,376 - call - wake - send - switch |
    /// | `futex-wake` | 3,840 | send + latency = 3,840 - 148 - wake - interrupt - switch = 1,614 |
    /// | `stress --drill burst`, 2 CPUs | 330 | offer = 330 - a look: what its call executes of that |
    /// | the same | 2,844 | preempt = 2,844 - 1,934, from the call to the return of who is woken by it and preempts |
    ///
    /// The last two were counted instruction by instruction; 1,934 is what the simulator charges for
    /// the rest of such a call: call, wake, offer and switch, three looks and mostly the timer.
    /// How 1,614 divides is an estimate, as are timer and claim (read off the code). Counting
    /// instructions cannot see caches: probe, lock and refill are assumptions, of the size found
    /// on servers.
    pub const MEASURED: Self = Self {
        call_ns: 148,
        interrupt_ns: 698,
        wake_ns: 673,
        switch_ns: 707,
        offer_ns: 310,
        rest_ns: 707,
        preempt_ns: 910,
        send_ns: 150,
        latency_ns: 1_464,
        timer_ns: 60,
        probe_ns: 60,
        look_ns: 60,
        claim_ns: 200,
        lock_ns: 100,
        refill_ns: [500, 1_000, 3_000],
        turns: false,
    };

    /// The same on QEMU's exact machine, which has no caches: a line of another CPU's costs the
    /// instructions that look at it. Its CPUs take turns: what one does in the kernel, the others
    /// wait for. An interrupt arrives as soon as its sender passes the turn, so the 1,464 above are
    /// what the waker does before it sleeps.
    pub const EXACT: Self = Self {
        latency_ns: 0,
        probe_ns: 20,
        look_ns: 20,
        refill_ns: [0; 3],
        turns: true,
        ..Self::MEASURED
    };

    /// The assumptions of the design's first sketch, which set the goals: no CPU is needed to take
    /// an interrupt, to wake or to find one that is idle, and caches are never cold. Load is service
    /// time alone.
    pub const SKETCH: Self = Self {
        switch_ns: 1_500,
        latency_ns: 2_000,
        probe_ns: 60,
        claim_ns: 700,
        ..Self::FREE
    };

    /// What every wake costs under the best conceivable scheduler: an interrupt from outside, the
    /// wake, a switch to the thread, its call to sleep and a switch away from it.
    pub fn least_per_wake_ns(&self) -> u64 {
        self.interrupt_ns + self.wake_ns + self.call_ns + self.switch_ns + self.rest_ns
    }
}

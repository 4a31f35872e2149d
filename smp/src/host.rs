//! The runtime of host tests: every thread is a std thread, and blocking really blocks.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use percpu::{CpuId, CpuSet};

use crate::account::TimeClass;
use crate::fair_server::RealtimeLimit;
use crate::offline::OfflineError;
use crate::params::Params;
use crate::runtime::{Runtime, Unparked};
use crate::spec::{AffinityError, SpawnError, ThreadSpec};
use crate::stats::CpuStats;
use crate::thread::{ThreadId, ThreadRef};

/// Every live thread by number, and how to wake it.
static THREADS: Mutex<BTreeMap<u32, HostThread>> = Mutex::new(BTreeMap::new());
static FINISHED: Condvar = Condvar::new();
static NEXT_TID: AtomicU32 = AtomicU32::new(1);
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
static ALARM: Alarm = Alarm {
    deadline_ns: Mutex::new(None),
    changed: Condvar::new(),
};

struct HostThread {
    thread: ThreadRef,
    /// `None` until it is started.
    handle: Option<std::thread::Thread>,
}

/// Unwinds a host thread to its start: what `exit` means here.
struct Exit;

/// The current thread, taken off the table when its std thread ends.
struct Registration(ThreadRef);

impl Drop for Registration {
    fn drop(&mut self) {
        table().remove(&self.0.tid());
        FINISHED.notify_all();
    }
}

std::thread_local! {
    static CURRENT: RefCell<Option<Registration>> = const { RefCell::new(None) };
}

fn table() -> std::sync::MutexGuard<'static, BTreeMap<u32, HostThread>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn adopt(thread: ThreadRef) {
    let handle = Some(std::thread::current());
    table().insert(
        thread.tid(),
        HostThread {
            thread: thread.clone(),
            handle,
        },
    );
    CURRENT.with(|current| *current.borrow_mut() = Some(Registration(thread)));
}

fn new_thread(spec: ThreadSpec) -> ThreadRef {
    let tid = spec.tid.unwrap_or_else(|| NEXT_TID.fetch_add(1, Relaxed));
    let id = ThreadId { tid, generation: 1 };
    ThreadRef::new(id, spec)
}

/// The one timer of the host machine, served by a std thread.
struct Alarm {
    deadline_ns: Mutex<Option<u64>>,
    changed: Condvar,
}

impl Alarm {
    fn set(&'static self, deadline_ns: Option<u64>) {
        static SERVER: std::sync::Once = std::sync::Once::new();
        SERVER.call_once(|| drop(std::thread::spawn(|| ALARM.serve())));
        *self.lock() = deadline_ns;
        self.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.deadline_ns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut deadline = self.lock();
        loop {
            let now = HostRuntime.now_ns();
            deadline = match *deadline {
                None => self
                    .changed
                    .wait(deadline)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let wait = Duration::from_nanos(due - now);
                    let woken = self.changed.wait_timeout(deadline, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    *deadline = None;
                    drop(deadline);
                    let next = crate::timers::run_expired(HostRuntime.now_ns());
                    let mut deadline = self.lock();
                    *deadline = earliest(*deadline, next);
                    deadline
                }
            };
        }
    }
}

fn earliest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(crate) struct HostRuntime;

impl Runtime for HostRuntime {
    fn current(&self) -> ThreadRef {
        if let Some(thread) = CURRENT.with(|c| c.borrow().as_ref().map(|r| r.0.clone())) {
            return thread;
        }
        let thread = new_thread(ThreadSpec::new("host", || {}));
        adopt(thread.clone());
        thread
    }

    fn current_id(&self) -> ThreadId {
        self.current().id()
    }

    fn park(&self, deadline_ns: Option<u64>) -> Unparked {
        self.current();
        let Some(deadline) = deadline_ns else {
            std::thread::park();
            return Unparked::Woken;
        };
        let left = deadline.saturating_sub(self.now_ns());
        std::thread::park_timeout(Duration::from_nanos(left));
        match self.now_ns() >= deadline {
            true => Unparked::TimedOut,
            false => Unparked::Woken,
        }
    }

    fn unpark(&self, thread: &ThreadRef) {
        if let Some(HostThread {
            handle: Some(handle),
            ..
        }) = table().get(&thread.tid())
        {
            handle.unpark();
        }
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn now_ns(&self) -> u64 {
        EPOCH.elapsed().as_nanos() as u64
    }

    fn create(&self, spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        let thread = new_thread(spec);
        let entry = HostThread {
            thread: thread.clone(),
            handle: None,
        };
        table().insert(thread.tid(), entry);
        Ok(thread)
    }

    fn discard(&self, thread: &ThreadRef) {
        table().remove(&thread.tid());
    }

    fn start(&self, thread: &ThreadRef) {
        // SAFETY: the thread was created and not started, so its creator holds the launch data.
        let entry = thread
            .launch
            .with_mut(|launch| unsafe { (*launch).entry.take() });
        let entry = entry.expect("a thread is started once");
        let thread = thread.clone();
        let tid = thread.tid();
        let body = move || {
            adopt(thread);
            if let Err(reason) = catch_unwind(AssertUnwindSafe(entry))
                && !reason.is::<Exit>()
            {
                resume_unwind(reason);
            }
        };
        let started = std::thread::Builder::new()
            .spawn(body)
            .expect("the host spawns a thread");
        if let Some(entry) = table().get_mut(&tid) {
            entry.handle.get_or_insert_with(|| started.thread().clone());
        }
    }

    fn exit(&self) -> ! {
        resume_unwind(alloc::boxed::Box::new(Exit))
    }

    fn join(&self, thread: &ThreadRef) {
        let mut threads = table();
        while threads
            .get(&thread.tid())
            .is_some_and(|entry| entry.thread == *thread)
        {
            threads = FINISHED
                .wait(threads)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn set_affinity(&self, thread: &ThreadRef, set: &CpuSet) -> Result<(), AffinityError> {
        if !set.contains(CpuId::new(0)) {
            return Err(AffinityError::NoCpuAllowed);
        }
        thread.store_affinity(set);
        Ok(())
    }

    fn realtime_limit(&self) -> &RealtimeLimit {
        static LIMIT: RealtimeLimit = RealtimeLimit::new();
        &LIMIT
    }

    fn change_params(&self, thread: &ThreadRef, change: &dyn Fn(Params) -> Params) {
        thread.params.update(change);
    }

    fn announce(&self, _thread: &ThreadRef) {}

    fn thread_from(&self, tid: u32) -> Option<ThreadRef> {
        let table = table();
        table
            .range(tid..)
            .next()
            .map(|(_, entry)| entry.thread.clone())
    }

    fn find_thread(&self, tid: u32) -> Option<ThreadRef> {
        table().get(&tid).map(|entry| entry.thread.clone())
    }

    fn cpu_stats(&self, _cpu: CpuId) -> CpuStats {
        CpuStats::default()
    }

    fn online_cpus(&self) -> CpuSet {
        core::iter::once(CpuId::new(0)).collect()
    }

    fn set_timer_deadline(&self, deadline_ns: Option<u64>) {
        ALARM.set(deadline_ns);
    }

    fn enter_class(&self, class: TimeClass) -> TimeClass {
        class
    }

    fn on_reschedule_ipi(&self) {}

    fn on_timer(&self) {}

    fn preempt_if_needed(&self) {}

    fn cpu_online(&self, _cpu: CpuId) {}

    fn begin_offline(&self, _cpu: CpuId) -> Result<(), OfflineError> {
        Err(OfflineError::LastCpu)
    }

    fn finish_offline(&self, _cpu: CpuId) {}

    fn set_power_saving(&self, _saving: bool) {}

    fn power_saving(&self) -> bool {
        false
    }

    fn run_idle(&'static self) -> ! {
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime;

    #[test]
    fn an_early_unpark_is_not_lost() {
        let thread = runtime::current();
        thread.unpark();
        assert_eq!(
            runtime::park(Some(runtime::now_ns() + 60_000_000_000)),
            Unparked::Woken
        );
    }

    #[test]
    fn park_times_out() {
        runtime::current();
        let deadline = runtime::now_ns() + 1_000_000;
        while runtime::park(Some(deadline)) == Unparked::Woken {}
        assert!(runtime::now_ns() >= deadline);
    }

    #[test]
    fn exit_ends_the_thread_and_join_sees_it() {
        let thread = runtime::spawn(ThreadSpec::new("exits", || runtime::exit())).unwrap();
        thread.join();
        assert!(runtime::find_thread(thread.tid()).is_none_or(|other| other != thread));
    }
}

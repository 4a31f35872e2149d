//! The calls, each with the kinds of its arguments:
//!
//! | letter | argument | letter | argument |
//! |---|---|---|---|
//! | `f` | descriptor | `A` | the working directory |
//! | `p` | pointer to whatever lies there | `s` | name of a file |
//! | `l` | length in bytes | `m` | length in pages |
//! | `a` | page in the arena | `t` | signal |
//! | `i` | small number | `b` | bits |
//! | `n` | zero | `q` | itself |
//! | `*` | anything | | |

use libc::*;

/// Above every number in use.
pub const NUMBERS: usize = 470;

#[derive(Clone, Copy)]
pub struct Call(pub c_long, pub &'static str);

/// Whether root leaves a call out: it would end, stop or change programs that are none of these,
/// or make more of its own kind.
pub fn kept_from_root(number: c_long) -> bool {
    [
        SYS_reboot,
        SYS_kill,
        SYS_tkill,
        SYS_tgkill,
        SYS_rt_sigqueueinfo,
        SYS_rt_tgsigqueueinfo,
        SYS_pidfd_send_signal,
        SYS_process_vm_writev,
        SYS_ptrace,
        SYS_clone,
        SYS_clone3,
        SYS_execve,
        SYS_execveat,
        SYS_setuid,
        SYS_setresuid,
        SYS_setreuid,
        SYS_prlimit64,
        SYS_umount2,
        SYS_mount,
        SYS_setpriority,
        SYS_sched_setscheduler,
        SYS_sched_setattr,
        SYS_sched_setparam,
        SYS_sched_setaffinity,
        SYS_unlinkat,
        SYS_renameat,
        SYS_renameat2,
        SYS_vhangup,
    ]
    .contains(&number)
}

#[rustfmt::skip]
pub const CALLS: &[Call] = &[
    // Files.
    Call(SYS_openat, "Asb*"), Call(SYS_openat, "fsbb"), Call(SYS_openat2, "Aspl"), Call(SYS_close, "f"),
    Call(SYS_close_range, "ffi"), Call(SYS_dup, "f"), Call(SYS_dup3, "ffb"), Call(SYS_read, "fpl"),
    Call(SYS_write, "fpl"), Call(SYS_readv, "fpi"), Call(SYS_writev, "fpi"), Call(SYS_pread64, "fplb"),
    Call(SYS_pwrite64, "fplb"), Call(SYS_preadv, "fpibb"), Call(SYS_pwritev2, "fpibbi"),
    Call(SYS_lseek, "f*i"), Call(SYS_sendfile, "ffpl"), Call(SYS_copy_file_range, "fpfpln"),
    Call(SYS_getdents64, "fpl"), Call(SYS_fstat, "fp"), Call(SYS_newfstatat, "Aspi"),
    Call(SYS_statx, "Asb*p"), Call(SYS_statfs, "sp"), Call(SYS_fstatfs, "fp"), Call(SYS_faccessat, "Asi"),
    Call(SYS_getcwd, "pl"), Call(SYS_chdir, "s"), Call(SYS_fchdir, "f"), Call(SYS_chroot, "s"),
    Call(SYS_mkdirat, "Asb"), Call(SYS_mknodat, "Asbb"), Call(SYS_unlinkat, "Asn"), Call(SYS_symlinkat, "sAs"),
    Call(SYS_linkat, "AsAsb"), Call(SYS_renameat2, "AsAsi"), Call(SYS_readlinkat, "Aspl"),
    Call(SYS_fchmod, "fb"), Call(SYS_fchmodat, "Asb"), Call(SYS_fchownat, "Asiib"), Call(SYS_utimensat, "Aspb"),
    Call(SYS_truncate, "s*"), Call(SYS_ftruncate, "f*"), Call(SYS_fallocate, "fibb"), Call(SYS_fallocate, "fi**"),
    Call(SYS_fsync, "f"), Call(SYS_sync, ""), Call(SYS_syncfs, "f"), Call(SYS_flock, "fi"),
    Call(SYS_fcntl, "fip"), Call(SYS_fcntl, "fi*"), Call(SYS_ioctl, "f*p"), Call(SYS_ioctl, "f*i"),
    Call(SYS_mount, "sssbp"), Call(SYS_umount2, "si"), Call(SYS_fadvise64, "f**i"), Call(SYS_readahead, "f**"),
    Call(SYS_sync_file_range, "f**i"), Call(SYS_memfd_create, "si"), Call(SYS_pipe2, "pb"),
    Call(SYS_getxattr, "sspl"), Call(SYS_umask, "b"),
    // Waiting.
    Call(SYS_ppoll, "pipnl"), Call(SYS_pselect6, "bppppp"), Call(SYS_epoll_create1, "b"),
    Call(SYS_epoll_ctl, "fifp"), Call(SYS_epoll_pwait, "fpiinl"), Call(SYS_epoll_pwait2, "fpipnl"),
    Call(SYS_eventfd2, "ib"), Call(SYS_timerfd_create, "ib"), Call(SYS_timerfd_settime, "fipp"),
    Call(SYS_timerfd_gettime, "fp"), Call(SYS_signalfd4, "fplb"),
    // Memory.
    Call(SYS_mmap, "nmibfn"), Call(SYS_mmap, "amibfn"), Call(SYS_mmap, "am***n"), Call(SYS_munmap, "am"),
    Call(SYS_mprotect, "ami"), Call(SYS_mremap, "ammia"), Call(SYS_brk, "*"), Call(SYS_madvise, "ami"),
    Call(SYS_msync, "ami"), Call(SYS_mincore, "amp"), Call(SYS_mlock, "am"), Call(SYS_munlock, "am"),
    Call(SYS_mlock2, "ami"), Call(SYS_mlockall, "i"), Call(SYS_munlockall, ""),
    Call(SYS_process_vm_readv, "qpipin"), Call(SYS_process_vm_writev, "qpipin"), Call(SYS_membarrier, "bni"),
    // Processes.
    Call(SYS_clone, "t"), Call(SYS_clone, "bapap"), Call(SYS_clone, "*apap"), Call(SYS_clone3, "pl"),
    Call(SYS_execve, "spp"), Call(SYS_execveat, "Asppb"), Call(SYS_exit, "i"), Call(SYS_wait4, "*pip"),
    Call(SYS_waitid, "iqpip"), Call(SYS_getpgid, "q"), Call(SYS_setpgid, "qq"), Call(SYS_getsid, "q"),
    Call(SYS_setsid, ""), Call(SYS_set_tid_address, "p"), Call(SYS_set_robust_list, "pl"),
    Call(SYS_get_robust_list, "qpp"), Call(SYS_futex, "pbipp*"), Call(SYS_futex, "pii*pi"),
    Call(SYS_unshare, "*"), Call(SYS_prctl, "b****"), Call(SYS_personality, "*"), Call(SYS_rseq, "plib"),
    Call(SYS_pidfd_open, "qb"), Call(SYS_pidfd_send_signal, "ftpn"), Call(SYS_kill, "qt"),
    Call(SYS_tgkill, "qqt"), Call(SYS_rt_sigaction, "tppl"), Call(SYS_rt_sigprocmask, "ippl"),
    Call(SYS_rt_sigpending, "pl"), Call(SYS_rt_sigsuspend, "pl"), Call(SYS_rt_sigtimedwait, "pppl"),
    Call(SYS_rt_sigqueueinfo, "qtp"), Call(SYS_sigaltstack, "pp"), Call(SYS_rt_sigreturn, ""),
    // Scheduling and time.
    Call(SYS_sched_setaffinity, "qlp"), Call(SYS_sched_getaffinity, "qlp"), Call(SYS_sched_yield, ""),
    Call(SYS_sched_setscheduler, "qip"), Call(SYS_sched_setattr, "qpn"), Call(SYS_sched_getattr, "qpln"),
    Call(SYS_sched_rr_get_interval, "qp"), Call(SYS_setpriority, "iq*"), Call(SYS_getpriority, "iq"),
    Call(SYS_getcpu, "pp"), Call(SYS_clock_gettime, "ip"), Call(SYS_clock_settime, "ip"),
    Call(SYS_clock_nanosleep, "iipp"), Call(SYS_nanosleep, "pp"), Call(SYS_setitimer, "ipp"),
    Call(SYS_timer_create, "ipp"), Call(SYS_timer_settime, "iipp"), Call(SYS_timer_gettime, "ip"),
    Call(SYS_timer_delete, "i"), Call(SYS_times, "p"), Call(SYS_getrusage, "*p"),
    // Identity and system.
    Call(SYS_setgroups, "lp"), Call(SYS_getgroups, "lp"), Call(SYS_capget, "pp"), Call(SYS_capset, "pp"),
    Call(SYS_prlimit64, "qipp"), Call(SYS_uname, "p"), Call(SYS_sethostname, "pl"), Call(SYS_sysinfo, "p"),
    Call(SYS_getrandom, "pli"), Call(SYS_syslog, "ipl"), Call(SYS_setresgid, "iii"),
    // Sockets.
    Call(SYS_socket, "iii"), Call(SYS_socketpair, "iiip"), Call(SYS_bind, "fpl"), Call(SYS_listen, "fi"),
    Call(SYS_accept4, "fppb"), Call(SYS_connect, "fpl"), Call(SYS_getsockname, "fpp"),
    Call(SYS_getpeername, "fpp"), Call(SYS_sendto, "fplbpl"), Call(SYS_recvfrom, "fplbpp"),
    Call(SYS_sendmsg, "fpb"), Call(SYS_recvmsg, "fpb"), Call(SYS_sendmmsg, "fpib"),
    Call(SYS_recvmmsg, "fpibp"), Call(SYS_setsockopt, "fiipl"), Call(SYS_getsockopt, "fiipp"),
    Call(SYS_shutdown, "fi"),
];

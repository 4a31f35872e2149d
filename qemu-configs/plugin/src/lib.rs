//! A QEMU plugin (plugin API 1) that counts how often each guest instruction was executed.
//!
//! Loaded with `-plugin libinstruction_counts.so,out=FILE`. The guest says which part counts:
//! `hint #112` clears the counters, `hint #113` stops them (both do nothing on a CPU). When
//! QEMU ends, FILE gets a line for each executed instruction: its address in hexadecimal and
//! its count. Used by `launch profile`; the guest's side is `user/bench/src/window.rs`.

mod api;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

const START: u32 = 0xd503_2e1f; // hint #112
const STOP: u32 = 0xd503_2e3f; // hint #113

/// A translated block: QEMU adds one to the counter whenever it is entered.
struct Block {
    instructions: Vec<u64>,
    counter: &'static AtomicU64,
}

static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());
/// What had been counted when the window was closed.
static WINDOW: Mutex<Option<BTreeMap<u64, u64>>> = Mutex::new(None);
static OUT: OnceLock<String> = OnceLock::new();

#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// QEMU calls this once, when it loads the plugin.
///
/// # Safety
///
/// `arguments` holds `count` terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // SAFETY: as the caller promises.
    let words = (0..count as usize).map(|index| unsafe { CStr::from_ptr(*arguments.add(index)) });
    let mut words = words.filter_map(|word| word.to_str().ok());
    let Some(out) = words.find_map(|word| word.strip_prefix("out=")) else {
        eprintln!("instruction-counts: out=FILE is missing");
        return 1;
    };
    let _ = OUT.set(out.to_string());
    // SAFETY: QEMU gave the id; the callbacks live as long as the plugin.
    unsafe {
        api::qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        api::qemu_plugin_register_atexit_cb(id, at_exit, std::ptr::null_mut());
    }
    0
}

extern "C" fn translated(_id: u64, block: *mut api::Block) {
    // SAFETY: QEMU passes a block that is valid during this call, and the index is below its
    // number of instructions.
    let instructions: Vec<_> = unsafe {
        let count = api::qemu_plugin_tb_n_insns(block);
        (0..count)
            .map(|index| api::qemu_plugin_tb_get_insn(block, index))
            .collect()
    };
    for &instruction in &instructions {
        // SAFETY: A64 instructions have four bytes, valid during this call.
        let word = unsafe {
            api::qemu_plugin_insn_data(instruction)
                .cast::<u32>()
                .read_unaligned()
        };
        let marker: Option<api::Executed> = match word {
            START => Some(clear),
            STOP => Some(close),
            _ => None,
        };
        if let Some(marker) = marker {
            let nothing = std::ptr::null_mut();
            // SAFETY: the callback lives as long as the plugin and asks for no argument.
            unsafe { api::qemu_plugin_register_vcpu_insn_exec_cb(instruction, marker, 0, nothing) };
        }
    }
    count(block, &instructions);
}

fn count(block: *mut api::Block, instructions: &[*mut api::Instruction]) {
    // SAFETY: the instructions belong to the block, which is valid during QEMU's call.
    let address = |instruction: &*mut _| unsafe { api::qemu_plugin_insn_vaddr(*instruction) };
    let counter = &*Box::leak(Box::new(AtomicU64::new(0)));
    // SAFETY: the counter is never freed; one virtual CPU runs at a time (icount).
    unsafe {
        let place = counter.as_ptr().cast();
        api::qemu_plugin_register_vcpu_tb_exec_inline(block, api::ADD_U64, place, 1);
    }
    let block = Block {
        instructions: instructions.iter().map(address).collect(),
        counter,
    };
    lock(&BLOCKS).push(block);
}

extern "C" fn clear(_cpu: c_uint, _data: *mut c_void) {
    lock(&BLOCKS)
        .iter_mut()
        .for_each(|block| block.counter.store(0, Ordering::Relaxed));
    *lock(&WINDOW) = None;
}

extern "C" fn close(_cpu: c_uint, _data: *mut c_void) {
    *lock(&WINDOW) = Some(sum());
}

extern "C" fn at_exit(_id: u64, _data: *mut c_void) {
    let counts = lock(&WINDOW).take().unwrap_or_else(sum);
    let mut text = String::new();
    for (address, count) in counts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{address:x} {count}");
    }
    let out = OUT.get().map_or("", String::as_str);
    if let Err(error) = std::fs::write(out, text) {
        eprintln!("instruction-counts: {out}: {error}");
    }
}

/// By address: several blocks may hold the same instruction.
fn sum() -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for block in lock(&BLOCKS).iter() {
        let executed = block.counter.load(Ordering::Relaxed);
        if executed == 0 {
            continue;
        }
        for &address in &block.instructions {
            *counts.entry(address).or_default() += executed;
        }
    }
    counts
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

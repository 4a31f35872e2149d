//! The part of QEMU's plugin API 1 that is used, as `include/qemu/qemu-plugin.h` of QEMU 7.2
//! declares it. The functions are QEMU's own: they are found when it loads the plugin.

use std::ffi::{c_int, c_uint, c_void};

#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

pub type Translated = extern "C" fn(id: u64, block: *mut Block);
pub type Executed = extern "C" fn(cpu: c_uint, data: *mut c_void);
pub type AtExit = extern "C" fn(id: u64, data: *mut c_void);

/// `QEMU_PLUGIN_INLINE_ADD_U64`
pub const ADD_U64: c_int = 0;

unsafe extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: Translated);
    pub fn qemu_plugin_register_atexit_cb(id: u64, callback: AtExit, data: *mut c_void);
    pub fn qemu_plugin_register_vcpu_tb_exec_inline(
        block: *mut Block,
        operation: c_int,
        place: *mut c_void,
        operand: u64,
    );
    /// `flags` 0: the callback reads no registers.
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const c_void;
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
}

// The context switch: callee-saved registers on the stack, the stack pointer in the thread
// (AAPCS64: x19-x30; FP/SIMD is handled apart). Falls from saving one into resuming the other.

.section .text.switch, "ax"

// x0 = where to put this thread's SP, x1 = the next thread's SP. Returns in the next thread.
.global weft_switch
weft_switch:
    sub     sp, sp, #{SAVED_SIZE}
    stp     x19, x20, [sp, #16 * 0]
    stp     x21, x22, [sp, #16 * 1]
    stp     x23, x24, [sp, #16 * 2]
    stp     x25, x26, [sp, #16 * 3]
    stp     x27, x28, [sp, #16 * 4]
    stp     x29, x30, [sp, #16 * 5]
    mov     x2, sp
    str     x2, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp, #16 * 0]
    ldp     x21, x22, [sp, #16 * 1]
    ldp     x23, x24, [sp, #16 * 2]
    ldp     x25, x26, [sp, #16 * 3]
    ldp     x27, x28, [sp, #16 * 4]
    ldp     x29, x30, [sp, #16 * 5]
    add     sp, sp, #{SAVED_SIZE}
    ret

// A new thread's first instruction: the frame that `stack.rs` prepared "returns" here.
.global weft_thread_start
weft_thread_start:
    mov     x29, xzr                    // backtraces end here
    mov     x30, xzr
    br      x19

// Exception vectors (Arm ARM D1.3): save a full TrapFrame on the thread's kernel stack, capture
// ESR and FAR, call Rust, restore, return. Everything between a vector and Rust, and between
// Rust and `eret`, runs with all exceptions masked.

// Saves x0-x30 and the exception's registers; the frame's space is already taken.
// \level: where the exception came from.
.macro SAVE_FRAME level
    stp     x0, x1, [sp, #{X} + 16 * 0]
    stp     x2, x3, [sp, #{X} + 16 * 1]
    stp     x4, x5, [sp, #{X} + 16 * 2]
    stp     x6, x7, [sp, #{X} + 16 * 3]
    stp     x8, x9, [sp, #{X} + 16 * 4]
    stp     x10, x11, [sp, #{X} + 16 * 5]
    stp     x12, x13, [sp, #{X} + 16 * 6]
    stp     x14, x15, [sp, #{X} + 16 * 7]
    stp     x16, x17, [sp, #{X} + 16 * 8]
    stp     x18, x19, [sp, #{X} + 16 * 9]
    stp     x20, x21, [sp, #{X} + 16 * 10]
    stp     x22, x23, [sp, #{X} + 16 * 11]
    stp     x24, x25, [sp, #{X} + 16 * 12]
    stp     x26, x27, [sp, #{X} + 16 * 13]
    stp     x28, x29, [sp, #{X} + 16 * 14]
    .if \level == 0
    mrs     x21, sp_el0
    mov     x29, xzr                    // backtraces end at user mode
    .else
    add     x21, sp, #{FRAME_SIZE}
    add     x29, sp, #{X} + 8 * 29      // x29, x30 in the frame are a frame record
    .endif
    mrs     x22, elr_el1
    mrs     x23, spsr_el1
    mrs     x24, esr_el1
    mrs     x25, far_el1
    stp     x30, x21, [sp, #{X} + 8 * 30]
    stp     x22, x23, [sp, #{PC}]
    stp     x24, x25, [sp, #{ESR}]
    mov     x0, sp
.endm

.macro RESTORE_FRAME level
    ldp     x22, x23, [sp, #{PC}]
    ldp     x30, x21, [sp, #{X} + 8 * 30]
    msr     elr_el1, x22
    msr     spsr_el1, x23
    .if \level == 0
    msr     sp_el0, x21
    .endif
    ldp     x0, x1, [sp, #{X} + 16 * 0]
    ldp     x2, x3, [sp, #{X} + 16 * 1]
    ldp     x4, x5, [sp, #{X} + 16 * 2]
    ldp     x6, x7, [sp, #{X} + 16 * 3]
    ldp     x8, x9, [sp, #{X} + 16 * 4]
    ldp     x10, x11, [sp, #{X} + 16 * 5]
    ldp     x12, x13, [sp, #{X} + 16 * 6]
    ldp     x14, x15, [sp, #{X} + 16 * 7]
    ldp     x16, x17, [sp, #{X} + 16 * 8]
    ldp     x18, x19, [sp, #{X} + 16 * 9]
    ldp     x20, x21, [sp, #{X} + 16 * 10]
    ldp     x22, x23, [sp, #{X} + 16 * 11]
    ldp     x24, x25, [sp, #{X} + 16 * 12]
    ldp     x26, x27, [sp, #{X} + 16 * 13]
    ldp     x28, x29, [sp, #{X} + 16 * 14]
    add     sp, sp, #{FRAME_SIZE}
    eret
.endm

// From user mode the stack is empty: always room.
.macro FROM_USER handler
    .balign 128
    sub     sp, sp, #{FRAME_SIZE}
    b       \handler
.endm

// From the kernel the stack may be exhausted. A stack's addresses have bit STACK_SHIFT set, the
// guard below it has not: tested without a free register, sp + x0 - x0 keeping both.
.macro FROM_KERNEL handler
    .balign 128
    sub     sp, sp, #{FRAME_SIZE}
    add     sp, sp, x0
    sub     x0, sp, x0
    tbz     x0, #{STACK_SHIFT}, stack_overflow
    sub     x0, sp, x0
    sub     sp, sp, x0
    b       \handler
.endm

.section .text.vectors, "ax"
.balign 2048
.global weft_vectors
weft_vectors:
    // Current level with SP_EL0: never used.
    FROM_KERNEL unexpected
    FROM_KERNEL unexpected
    FROM_KERNEL unexpected
    FROM_KERNEL unexpected
    // Current level with SP_EL1.
    FROM_KERNEL kernel_synchronous
    FROM_KERNEL kernel_irq
    FROM_KERNEL unexpected
    FROM_KERNEL unexpected
    // Lower level, AArch64.
    FROM_USER user_synchronous
    FROM_USER user_irq
    FROM_USER user_unexpected
    FROM_USER user_unexpected
    // Lower level, AArch32: not supported, never entered.
    FROM_USER user_unexpected
    FROM_USER user_unexpected
    FROM_USER user_unexpected
    FROM_USER user_unexpected

user_synchronous:
    SAVE_FRAME 0
    bl      weft_user_synchronous
    RESTORE_FRAME 0

user_irq:
    SAVE_FRAME 0
    bl      weft_user_irq
    b       weft_return_to_user

user_unexpected:
    SAVE_FRAME 0
    bl      weft_user_unexpected
    b       weft_return_to_user

// SP points to a TrapFrame and nothing else is on the stack; all exceptions are masked.
.global weft_return_to_user
weft_return_to_user:
    RESTORE_FRAME 0

kernel_synchronous:
    SAVE_FRAME 1
    bl      weft_kernel_synchronous
.global weft_kernel_synchronous_return
weft_kernel_synchronous_return:
    RESTORE_FRAME 1

kernel_irq:
    SAVE_FRAME 1
    bl      weft_kernel_irq
.global weft_kernel_irq_return
weft_kernel_irq_return:
    RESTORE_FRAME 1

unexpected:
    SAVE_FRAME 1
    bl      weft_kernel_unexpected
    b       .

// Here x0 = sp, and sp = sp + the old x0. Fatal: the user's TPIDRRO_EL0 and SP_EL0 are scratch.
stack_overflow:
    sub     x0, sp, x0                  // the old x0
    msr     tpidrro_el0, x0
    sub     x0, sp, x0                  // the old sp, a frame lower
    add     x0, x0, #{FRAME_SIZE}
    msr     sp_el0, x0
    mrs     x0, tpidr_el1               // this CPU's OVERFLOW_STACK_TOP; SP is free now
    mov     sp, x0
    ldr     x0, ={OVERFLOW_STACK_TOP}
    add     sp, sp, x0
    mov     x0, sp
    ldr     x0, [x0]
    mov     sp, x0
    mrs     x0, tpidrro_el0
    sub     sp, sp, #{FRAME_SIZE}
    SAVE_FRAME 1
    mrs     x21, sp_el0
    str     x21, [sp, #{SP}]
    bl      weft_stack_overflow
    b       .
.ltorg

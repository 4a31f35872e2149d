// Access to user memory: unprivileged loads and stores, so that a user pointer grants what the
// user may do and no more. A fault that cannot be resolved continues at the entry's fix-up.

// One instruction that may fault: after a bad fault, go to \fixup.
.macro USER fixup, instruction:vararg
9999: \instruction
    .pushsection .fixups, "a"
    .balign 4
    .long   9999b - .
    .long   \fixup - .
    .popsection
.endm

// 64 bytes from user x1 to kernel x0, both plus an offset.
.macro FROM64 offset
    USER    bad, ldtr x3, [x1, #\offset]
    USER    bad, ldtr x4, [x1, #\offset + 8]
    USER    bad, ldtr x5, [x1, #\offset + 16]
    USER    bad, ldtr x6, [x1, #\offset + 24]
    USER    bad, ldtr x7, [x1, #\offset + 32]
    USER    bad, ldtr x8, [x1, #\offset + 40]
    USER    bad, ldtr x9, [x1, #\offset + 48]
    USER    bad, ldtr x10, [x1, #\offset + 56]
    stp     x3, x4, [x0, #\offset]
    stp     x5, x6, [x0, #\offset + 16]
    stp     x7, x8, [x0, #\offset + 32]
    stp     x9, x10, [x0, #\offset + 48]
.endm

// 64 bytes from kernel x1 to user x0, both plus an offset.
.macro TO64 offset
    ldp     x3, x4, [x1, #\offset]
    ldp     x5, x6, [x1, #\offset + 16]
    ldp     x7, x8, [x1, #\offset + 32]
    ldp     x9, x10, [x1, #\offset + 48]
    USER    bad, sttr x3, [x0, #\offset]
    USER    bad, sttr x4, [x0, #\offset + 8]
    USER    bad, sttr x5, [x0, #\offset + 16]
    USER    bad, sttr x6, [x0, #\offset + 24]
    USER    bad, sttr x7, [x0, #\offset + 32]
    USER    bad, sttr x8, [x0, #\offset + 40]
    USER    bad, sttr x9, [x0, #\offset + 48]
    USER    bad, sttr x10, [x0, #\offset + 56]
.endm

.section .text.usercopy, "ax"

// x0 = kernel destination, x1 = user source, x2 = length. Returns 0, or 1 after a bad fault.
.global weft_copy_from_user
weft_copy_from_user:
    subs    x2, x2, #128
    b.lo    2f
1:  FROM64  0
    FROM64  64
    add     x0, x0, #128
    add     x1, x1, #128
    subs    x2, x2, #128
    b.hs    1b
2:  adds    x2, x2, #128
    b.eq    4f
    tbz     x2, #6, 3f
    FROM64  0
    add     x0, x0, #64
    add     x1, x1, #64
3:  tbz     x2, #5, 3f
    USER    bad, ldtr x3, [x1]
    USER    bad, ldtr x4, [x1, #8]
    USER    bad, ldtr x5, [x1, #16]
    USER    bad, ldtr x6, [x1, #24]
    add     x1, x1, #32
    stp     x3, x4, [x0], #16
    stp     x5, x6, [x0], #16
3:  tbz     x2, #4, 3f
    USER    bad, ldtr x3, [x1]
    USER    bad, ldtr x4, [x1, #8]
    add     x1, x1, #16
    stp     x3, x4, [x0], #16
3:  tbz     x2, #3, 3f
    USER    bad, ldtr x3, [x1]
    add     x1, x1, #8
    str     x3, [x0], #8
3:  ands    x2, x2, #7
    b.eq    4f
3:  USER    bad, ldtrb w3, [x1]
    add     x1, x1, #1
    strb    w3, [x0], #1
    subs    x2, x2, #1
    b.ne    3b
4:  mov     x0, xzr
    ret

// x0 = user destination, x1 = kernel source, x2 = length. Returns 0, or 1 after a bad fault.
.global weft_copy_to_user
weft_copy_to_user:
    subs    x2, x2, #128
    b.lo    2f
1:  TO64    0
    TO64    64
    add     x0, x0, #128
    add     x1, x1, #128
    subs    x2, x2, #128
    b.hs    1b
2:  adds    x2, x2, #128
    b.eq    4f
    tbz     x2, #6, 3f
    TO64    0
    add     x0, x0, #64
    add     x1, x1, #64
3:  tbz     x2, #5, 3f
    ldp     x3, x4, [x1], #16
    ldp     x5, x6, [x1], #16
    USER    bad, sttr x3, [x0]
    USER    bad, sttr x4, [x0, #8]
    USER    bad, sttr x5, [x0, #16]
    USER    bad, sttr x6, [x0, #24]
    add     x0, x0, #32
3:  tbz     x2, #4, 3f
    ldp     x3, x4, [x1], #16
    USER    bad, sttr x3, [x0]
    USER    bad, sttr x4, [x0, #8]
    add     x0, x0, #16
3:  tbz     x2, #3, 3f
    ldr     x3, [x1], #8
    USER    bad, sttr x3, [x0]
    add     x0, x0, #8
3:  ands    x2, x2, #7
    b.eq    4f
3:  ldrb    w3, [x1], #1
    USER    bad, sttrb w3, [x0]
    add     x0, x0, #1
    subs    x2, x2, #1
    b.ne    3b
4:  mov     x0, xzr
    ret

// x0 = user destination, x1 = length. Returns 0, or 1 after a bad fault.
.global weft_zero_user
weft_zero_user:
    subs    x1, x1, #8
    b.lo    2f
1:  USER    bad, sttr xzr, [x0]
    add     x0, x0, #8
    subs    x1, x1, #8
    b.hs    1b
2:  adds    x1, x1, #8
    b.eq    4f
3:  USER    bad, sttrb wzr, [x0]
    add     x0, x0, #1
    subs    x1, x1, #1
    b.ne    3b
4:  mov     x0, xzr
    ret

// x0 = user address of an aligned word, x1 = where to put its value. Returns 0, or 1.
.global weft_load_user_word
weft_load_user_word:
    USER    bad, ldtr w2, [x0]
    dmb     ish
    str     w2, [x1]
    mov     x0, xzr
    ret

// x0 = user address of an aligned word, w1 = old, w2 = new, x3 = where to put what was there.
// Returns 0, or 1. There are no unprivileged exclusives: the caller has checked that the address
// is a user address, and has opened PAN.
.global weft_compare_exchange_user_word
weft_compare_exchange_user_word:
    USER    bad, ldaxr w4, [x0]
    cmp     w4, w1
    b.ne    1f
    USER    bad, stlxr w5, w2, [x0]
    cbnz    w5, weft_compare_exchange_user_word
1:  dmb     ish
    str     w4, [x3]
    mov     x0, xzr
    ret

bad:
    mov     x0, #1
    ret

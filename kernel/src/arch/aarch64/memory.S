// memcpy, memmove, memset, memcmp: what the compiler calls for copies it does not inline. General
// registers only (FP/SIMD belongs to user threads); unaligned accesses are fine in normal memory.
// They take the place of the compiler's own, which move a byte or a word at a time.

// 64 bytes from x1 to x3, both plus an offset.
.macro MOVE64 offset
    ldp     x4, x5, [x1, #\offset]
    ldp     x6, x7, [x1, #\offset + 16]
    ldp     x8, x9, [x1, #\offset + 32]
    ldp     x10, x11, [x1, #\offset + 48]
    stp     x4, x5, [x3, #\offset]
    stp     x6, x7, [x3, #\offset + 16]
    stp     x8, x9, [x3, #\offset + 32]
    stp     x10, x11, [x3, #\offset + 48]
.endm

.section .text.memory, "ax"

// x0 = destination, x1 = source, x2 = length. Returns x0. May overlap.
.global memmove
memmove:
    sub     x3, x0, x1
    cmp     x3, x2
    b.lo    copy_backward               // the destination starts inside the source
// The same without overlap.
.global memcpy
memcpy:
    mov     x3, x0
    subs    x2, x2, #128
    b.lo    2f
1:  MOVE64  0
    MOVE64  64
    add     x1, x1, #128
    add     x3, x3, #128
    subs    x2, x2, #128
    b.hs    1b
2:  tbz     x2, #6, 2f                  // the low seven bits are what is left
    MOVE64  0
    add     x1, x1, #64
    add     x3, x3, #64
2:  tbz     x2, #5, 3f
    ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    add     x1, x1, #32
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    add     x3, x3, #32
3:  tbz     x2, #4, 4f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
4:  tbz     x2, #3, 5f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
5:  tbz     x2, #2, 6f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
6:  tbz     x2, #1, 7f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
7:  tbz     x2, #0, 8f
    ldrb    w4, [x1]
    strb    w4, [x3]
8:  ret

// From the ends down, so that nothing is overwritten before it is read.
copy_backward:
    add     x1, x1, x2
    add     x3, x0, x2
    subs    x2, x2, #32
    b.lo    2f
1:  ldp     x4, x5, [x1, #-16]
    ldp     x6, x7, [x1, #-32]!
    stp     x4, x5, [x3, #-16]
    stp     x6, x7, [x3, #-32]!
    subs    x2, x2, #32
    b.hs    1b
2:  tbz     x2, #4, 3f
    ldp     x4, x5, [x1, #-16]!
    stp     x4, x5, [x3, #-16]!
3:  tbz     x2, #3, 4f
    ldr     x4, [x1, #-8]!
    str     x4, [x3, #-8]!
4:  tbz     x2, #2, 5f
    ldr     w4, [x1, #-4]!
    str     w4, [x3, #-4]!
5:  tbz     x2, #1, 6f
    ldrh    w4, [x1, #-2]!
    strh    w4, [x3, #-2]!
6:  tbz     x2, #0, 7f
    ldrb    w4, [x1, #-1]
    strb    w4, [x3, #-1]
7:  ret

// x0 = destination, w1 = byte, x2 = length. Returns x0.
.global memset
memset:
    mov     x3, x0
    and     x1, x1, #0xff
    mov     x4, #0x0101010101010101
    mul     x1, x1, x4
    subs    x2, x2, #64
    b.lo    2f
1:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
2:  tbz     x2, #5, 3f
    stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    add     x3, x3, #32
3:  tbz     x2, #4, 4f
    stp     x1, x1, [x3], #16
4:  tbz     x2, #3, 5f
    str     x1, [x3], #8
5:  tbz     x2, #2, 6f
    str     w1, [x3], #4
6:  tbz     x2, #1, 7f
    strh    w1, [x3], #2
7:  tbz     x2, #0, 8f
    strb    w1, [x3]
8:  ret

// x0, x1 = what to compare, x2 = length. Returns less than, equal to or greater than 0.
.global memcmp
.global bcmp
memcmp:
bcmp:
    subs    x2, x2, #8
    b.lo    2f
1:  ldr     x3, [x0], #8
    ldr     x4, [x1], #8
    cmp     x3, x4
    b.ne    4f
    subs    x2, x2, #8
    b.hs    1b
2:  adds    x2, x2, #8
    b.eq    5f
3:  ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    cmp     w3, w4
    b.ne    6f
    subs    x2, x2, #1
    b.ne    3b
5:  mov     w0, #0
    ret
4:  rev     x3, x3                      // the first byte in memory decides
    rev     x4, x4
    cmp     x3, x4
6:  mov     w0, #1
    cneg    w0, w0, lo
    ret

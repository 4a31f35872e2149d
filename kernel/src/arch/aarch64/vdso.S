// The vDSO: a shared library of one page that the kernel maps into every program (vdso(7)),
// position-independent, entered at EL0. The page before it is the clock page (`ClockPage`).
//
// The ELF structures are written out by hand, so that no second link is needed: one segment, the
// symbols that C libraries look up, under the version they ask for.

.section .rodata.vdso, "a"
.balign 16

.set SYS_rt_sigreturn, 139
.set SYS_clock_gettime, 113
.set SYS_clock_getres, 114
// The clocks answered here (clock_gettime(2)), a bit each: real time, coarse real time, TAI; the
// monotonic ones and boot time, which are the same here.
.set REAL_CLOCKS, 1 << 0 | 1 << 5 | 1 << 11
.set MONOTONIC_CLOCKS, 1 << 1 | 1 << 4 | 1 << 6 | 1 << 7
.set LAST_CLOCK, 11

.global weft_vdso_start
weft_vdso_start:
    // ELF header (elf(5)): 64-bit, little-endian, ET_DYN, EM_AARCH64, three program headers.
    .byte   0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .hword  3, 183
    .word   1
    .quad   0, .Lsegments - weft_vdso_start, 0
    .word   0
    .hword  64, 56, 2, 64, 0, 0

.Lsegments:
    .word   1, 5                                // PT_LOAD, readable and executable
    .quad   0, 0, 0, .Lend - weft_vdso_start, .Lend - weft_vdso_start, 4096
    .word   2, 4                                // PT_DYNAMIC
    .quad   .Ldynamic - weft_vdso_start, .Ldynamic - weft_vdso_start, .Ldynamic - weft_vdso_start
    .quad   .Ldynamic_end - .Ldynamic, .Ldynamic_end - .Ldynamic, 8

.Ldynamic:
    .quad   14, .Lname - .Lstrings              // DT_SONAME
    .quad   4, .Lhash - weft_vdso_start         // DT_HASH
    .quad   5, .Lstrings - weft_vdso_start      // DT_STRTAB
    .quad   10, .Lstrings_end - .Lstrings       // DT_STRSZ
    .quad   6, .Lsymbols - weft_vdso_start      // DT_SYMTAB
    .quad   11, 24                              // DT_SYMENT
    .quad   0x6ffffff0, .Lversions - weft_vdso_start        // DT_VERSYM
    .quad   0x6ffffffc, .Ldefinitions - weft_vdso_start     // DT_VERDEF
    .quad   0x6ffffffd, 2                       // DT_VERDEFNUM
    .quad   0, 0
.Ldynamic_end:

// A global function of section 1 (which needs only not be 0: there are no section headers).
.macro SYMBOL name, start, end
    .word   \name - .Lstrings
    .byte   0x12, 0
    .hword  1
    .quad   \start - weft_vdso_start, \end - \start
.endm

.Lsymbols:
    .word   0
    .byte   0, 0
    .hword  0
    .quad   0, 0
    SYMBOL .Lname_gettime, .Lclock_gettime, .Lclock_gettime_end
    SYMBOL .Lname_timeofday, .Lgettimeofday, .Lgettimeofday_end
    SYMBOL .Lname_getres, .Lclock_getres, .Lclock_getres_end
    SYMBOL .Lname_sigreturn, .Lsigreturn, .Lsigreturn_end

// One bucket, so that no hash has to be known here: it holds the whole chain of symbols.
.Lhash:
    .word   1, 5
    .word   1
    .word   0, 2, 3, 4, 0

// Two definitions: the library itself, and the version of all its symbols.
.balign 8
.Ldefinitions:
    .hword  1, 1, 1, 1
    .word   0x0deebfa1, 20, 28                  // the name's hash
    .word   .Lname - .Lstrings, 0
    .hword  1, 0, 2, 1
    .word   0x075fcb89, 20, 0
    .word   .Lversion - .Lstrings, 0

.Lversions:
    .hword  0, 2, 2, 2, 2

.Lstrings:
    .byte   0
.Lname:
    .asciz  "linux-vdso.so.1"
.Lversion:
    .asciz  "LINUX_2.6.39"
.Lname_gettime:
    .asciz  "__kernel_clock_gettime"
.Lname_timeofday:
    .asciz  "__kernel_gettimeofday"
.Lname_getres:
    .asciz  "__kernel_clock_getres"
.Lname_sigreturn:
    .asciz  "__kernel_rt_sigreturn"
.Lstrings_end:

// x5 = monotonic nanoseconds: the counter times a 32.32 factor, as the kernel's own clock has it.
// Leaves the clock page in x2.
.macro READ_CLOCK
    adr     x2, weft_vdso_start - 4096
    ldr     x6, [x2, #{NS_PER_TICK}]
    isb                                         // the counter is not read before its time
    mrs     x5, cntvct_el0
    umulh   x7, x5, x6
    mul     x5, x5, x6
    extr    x5, x7, x5, #32
.endm

// x5 nanoseconds as x3 seconds and x4 nanoseconds.
.macro SPLIT_SECONDS
    movz    w7, #0xca00                         // 1,000,000,000
    movk    w7, #0x3b9a, lsl #16
    udiv    x3, x5, x7
    msub    x4, x3, x7, x5
.endm

.balign 16
// w0 = clock, x1 = struct timespec to fill.
.Lclock_gettime:
    cmp     w0, #LAST_CLOCK
    b.hi    2f
    mov     w3, #1
    lsl     w3, w3, w0
    mov     w4, #REAL_CLOCKS
    tst     w3, w4
    b.eq    1f
    READ_CLOCK
    ldr     x6, [x2, #{REAL_OFFSET_NS}]
    add     x5, x5, x6
    SPLIT_SECONDS
    stp     x3, x4, [x1]
    mov     w0, #0
    ret
1:  mov     w4, #MONOTONIC_CLOCKS
    tst     w3, w4
    b.eq    2f
    READ_CLOCK
    SPLIT_SECONDS
    stp     x3, x4, [x1]
    mov     w0, #0
    ret
2:  mov     x8, #SYS_clock_gettime
    svc     #0
    ret
.Lclock_gettime_end:

.balign 16
// x0 = struct timeval to fill, x1 = struct timezone to fill; each may be null.
.Lgettimeofday:
    cbz     x0, 1f
    READ_CLOCK
    ldr     x6, [x2, #{REAL_OFFSET_NS}]
    add     x5, x5, x6
    SPLIT_SECONDS
    mov     w7, #1000
    udiv    x4, x4, x7
    stp     x3, x4, [x0]
1:  cbz     x1, 2f
    str     xzr, [x1]
2:  mov     w0, #0
    ret
.Lgettimeofday_end:

.balign 16
// w0 = clock, x1 = struct timespec to fill, or null.
.Lclock_getres:
    cmp     w0, #LAST_CLOCK
    b.hi    2f
    mov     w3, #1
    lsl     w3, w3, w0
    mov     w4, #(REAL_CLOCKS | MONOTONIC_CLOCKS)
    tst     w3, w4
    b.eq    2f
    cbz     x1, 1f
    mov     w3, #1
    stp     xzr, x3, [x1]
1:  mov     w0, #0
    ret
2:  mov     x8, #SYS_clock_getres
    svc     #0
    ret
.Lclock_getres_end:

.balign 16
// Signal handlers return here. Unwinders know the frame by these two instructions, and look one
// instruction back from a return address: the `nop` keeps them in the library.
    nop
.global weft_vdso_sigreturn
weft_vdso_sigreturn:
.Lsigreturn:
    mov     x8, #SYS_rt_sigreturn
    svc     #0
.Lsigreturn_end:

.Lend:
.global weft_vdso_end
weft_vdso_end:

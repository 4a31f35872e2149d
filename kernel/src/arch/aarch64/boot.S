// From the boot loader's jump, MMU off, at EL2 or EL1, to Rust in the upper half.
//
// Everything here runs at its physical address until a jump to the upper half; addresses are formed
// relative to the PC. The image may be at any 2 MiB boundary.

// Where the header's fields are: Linux, Documentation/arch/arm64/booting.rst.
.section .head.text, "ax"
.global _start
_start:
    b       boot_cpu
    .long   0
    .quad   0                           // text_offset: none
    .quad   __image_size               // image_size; the image tool adds the symbol table
    .quad   0b1010                      // little-endian, 4 KiB pages, anywhere in RAM
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

// Table entries (Arm ARM D8.3): valid, table or block, normal memory (see `MAIR`), inner
// shareable, access flag.
.equ TABLE,          0b11
.equ BLOCK_RWX,      0b01 | 1 << 2 | 3 << 8 | 1 << 10
.equ NO_USER_EXEC,   1 << 54
.equ READ_ONLY,      1 << 7
.equ BLOCK_SHIFT,    21
.equ PAGE,           4096

.section .boot.text, "ax"

// The boot CPU: x0 = physical address of the device tree.
boot_cpu:
    msr     daifset, #0xf
    mov     x19, x0
    adrp    x20, __image_start
    bl      drop_to_el1
    bl      build_boot_tables
    adrp    x0, __boot_tables           // TTBR0: the identity of the first 2 MiB
    add     x1, x0, #3 * PAGE           // TTBR1: the image
    bl      enable_mmu
    ldr     x1, =boot_cpu_upper_half
    br      x1
boot_cpu_upper_half:
    bl      clear_bss
    ldr     x1, =__boot_stack_top
    mov     sp, x1
    stp     xzr, xzr, [sp, #-16]!       // no thread of the scheduler's: smp's `identity`
    ldr     x1, =weft_vectors
    msr     vbar_el1, x1
    isb
    // The device tree is mapped by the last two blocks of the image's gigabyte.
    ldr     x0, =__image_start + (510 << BLOCK_SHIFT)
    and     x1, x19, #(1 << BLOCK_SHIFT) - 1
    add     x0, x0, x1
    mov     x1, x19
    mov     x2, x20
    mov     x29, xzr
    mov     x30, xzr
    b       weft_boot_cpu               // (device tree, its physical address, the image's)

// A secondary CPU from PSCI CPU_ON: x0 = physical address of its `SecondaryContext`.
.global weft_secondary_entry
weft_secondary_entry:
    msr     daifset, #0xf
    mov     x19, x0
    bl      drop_to_el1
    ldp     x20, x21, [x19, #{CONTEXT_STACK}]       // stack, logical number
    ldr     x1, [x19, #{CONTEXT_TTBR1}]
    adrp    x0, __boot_tables
    bl      enable_mmu
    ldr     x1, =secondary_upper_half
    br      x1
secondary_upper_half:
    mov     sp, x20
    stp     xzr, xzr, [sp, #-16]!
    ldr     x1, =weft_vectors
    msr     vbar_el1, x1
    isb
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x21
    b       weft_boot_secondary         // (its logical number)

// Goes on at EL1 with the MMU off, whatever level the loader or the firmware chose. Keeps x19+.
drop_to_el1:
    ldr     x1, =0x30d00800             // SCTLR_EL1: RES1 bits only; MMU and caches off
    mrs     x2, CurrentEL
    cmp     x2, #2 << 2
    b.eq    1f
    msr     sctlr_el1, x1
    isb
    ret
1:  msr     sctlr_el1, x1
    ldr     x1, =1 << 31 | 3 << 40      // HCR_EL2: EL1 is AArch64; no pointer-auth traps
    msr     hcr_el2, x1
    isb
    mov     x1, #3                      // CNTHCTL_EL2: EL1 may use the physical counter and timer
    msr     cnthctl_el2, x1
    msr     cntvoff_el2, xzr
    mov     x1, #0x33ff                 // CPTR_EL2: RES1 bits; FP is not trapped
    msr     cptr_el2, x1
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x1, midr_el1
    msr     vpidr_el2, x1
    mrs     x1, mpidr_el1
    msr     vmpidr_el2, x1
    mrs     x1, id_aa64dfr0_el1         // MDCR_EL2: all performance counters for EL1, if any
    ubfx    x1, x1, #8, #4
    sub     x1, x1, #1
    cmp     x1, #13                     // 0: none; 0xf: not Arm's
    mov     x1, xzr
    b.hi    2f
    mrs     x1, pmcr_el0
    ubfx    x1, x1, #11, #5
2:  msr     mdcr_el2, x1
    mrs     x1, id_aa64pfr0_el1         // GIC system registers: let EL1 have them
    ubfx    x1, x1, #24, #4
    cbz     x1, 3f
    mrs     x1, s3_4_c12_c9_5           // ICC_SRE_EL2
    orr     x1, x1, #1                  // SRE
    orr     x1, x1, #8                  // Enable: EL1 may set its own
    msr     s3_4_c12_c9_5, x1
    isb
    msr     s3_4_c12_c11_0, xzr         // ICH_HCR_EL2: no virtual interface
3:  mov     x1, #0x3c5                  // SPSR_EL2: EL1h, all masked
    msr     spsr_el2, x1
    msr     elr_el2, x30
    eret

clear_bss:
    adrp    x0, __bss_start
    add     x0, x0, :lo12:__bss_start
    adrp    x1, __bss_end
    add     x1, x1, :lo12:__bss_end
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    b       1b
2:  ret

// Six tables: levels 0 to 2 for the identity, levels 0 to 2 for the upper half.
// x19 = the device tree, x20 = the image.
build_boot_tables:
    adrp    x0, __boot_tables
    add     x1, x0, #6 * PAGE
1:  stp     xzr, xzr, [x1, #-16]!
    cmp     x1, x0
    b.hi    1b
    // Identity of the first 2 MiB, where this code is.
    add     x2, x0, #PAGE
    orr     x3, x2, #TABLE
    ubfx    x4, x20, #39, #9
    str     x3, [x0, x4, lsl #3]
    add     x3, x2, #PAGE
    orr     x3, x3, #TABLE
    ubfx    x4, x20, #30, #9
    str     x3, [x2, x4, lsl #3]
    add     x2, x2, #PAGE
    ldr     x5, =BLOCK_RWX
    orr     x3, x20, x5
    ubfx    x4, x20, #BLOCK_SHIFT, #9
    str     x3, [x2, x4, lsl #3]
    // The image, from the first block of the kernel's gigabyte on.
    add     x0, x0, #3 * PAGE
    add     x2, x0, #PAGE
    orr     x3, x2, #TABLE
    str     x3, [x0, #256 * 8]
    add     x3, x2, #PAGE
    orr     x3, x3, #TABLE
    str     x3, [x2]
    add     x2, x2, #PAGE
    ldr     x3, =BLOCK_RWX | NO_USER_EXEC
    orr     x3, x3, x20
    ldr     x4, [x20, #16]               // image_size of the header
    mov     x5, xzr
1:  str     x3, [x2, x5, lsl #3]
    add     x3, x3, #1 << BLOCK_SHIFT
    add     x5, x5, #1
    cmp     x4, x5, lsl #BLOCK_SHIFT
    b.hi    1b
    // The device tree: at most 2 MiB, so at most two blocks.
    ldr     x3, =BLOCK_RWX | NO_USER_EXEC | READ_ONLY
    and     x4, x19, #~((1 << BLOCK_SHIFT) - 1)
    orr     x3, x3, x4
    str     x3, [x2, #510 * 8]
    add     x3, x3, #1 << BLOCK_SHIFT
    str     x3, [x2, #511 * 8]
    // Written past the caches: what the caches may hold of it is stale.
    dmb     sy
    mov     x3, #64
    adrp    x0, __boot_tables
    add     x1, x0, #6 * PAGE
1:  dc      ivac, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret

// x0 = TTBR0, x1 = TTBR1. Returns at the physical address, translated by the identity.
enable_mmu:
    ldr     x2, ={MAIR}
    msr     mair_el1, x2
    ldr     x2, ={TCR}
    mrs     x3, id_aa64mmfr0_el1
    ubfx    x4, x3, #0, #4              // PARange becomes IPS, at most 48 bits
    mov     x5, #5
    cmp     x4, x5
    csel    x4, x4, x5, ls
    bfi     x2, x4, #32, #3
    ubfx    x4, x3, #4, #4              // 16-bit ASIDs where they exist
    cmp     x4, #2
    cset    x4, eq
    bfi     x2, x4, #36, #1
    msr     tcr_el1, x2
    msr     ttbr0_el1, x0
    msr     ttbr1_el1, x1
    mov     x2, #1 << 20                // CPACR_EL1: FP/SIMD traps at EL0 (`gate.rs`)
    msr     cpacr_el1, x2
    msr     mdscr_el1, xzr
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x2, ={SCTLR}
    mrs     x3, id_aa64mmfr1_el1        // PAN: set at every exception (SPAN clear) where it exists
    ubfx    x3, x3, #20, #4
    cbz     x3, 1f
    bic     x2, x2, #1 << 23
1:  msr     sctlr_el1, x2
    isb
    ret

// x0 = the kernel's final table, x1 = physical address of label 1 below, x2 = physical address
// of a table without entries. Called in the upper half with IRQs masked; between the two tables
// only the identity translates (the block size of live entries changes).
.global weft_replace_kernel_table
weft_replace_kernel_table:
    br      x1
.global weft_replace_kernel_table_physical
weft_replace_kernel_table_physical:
    msr     ttbr1_el1, x2
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    msr     ttbr1_el1, x0
    isb
    ret

.ltorg

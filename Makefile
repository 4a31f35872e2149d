# Weft: build it, boot it, log in, test it. `make help` lists the targets.

SMP       ?= 4
SSH_PORT  ?= 2222
HTTP_PORT ?= 8080
MACHINE   ?= virt-4
CMD       ?=
export SSH_PORT HTTP_PORT

# How to build on this computer (which cargo, which targets) is found out once by setup.sh.
TOOLCHAIN ?= build/toolchain.mk
TARGET    ?= target
ifneq ($(filter-out help clean ssh,$(or $(MAKECMDGOALS),help)),)
-include $(TOOLCHAIN)
endif
CARGO         ?= cargo
KERNEL_TARGET ?= aarch64-unknown-none-softfloat
USER_TARGET   ?= aarch64-unknown-linux-musl

KERNEL_ELF := $(TARGET)/$(KERNEL_TARGET)/kernel/weft
PROGRAMS   := user/$(TARGET)/$(USER_TARGET)/release
LAUNCH     := target/debug/launch
RUN         = $(LAUNCH) run --kernel build/Image --initrd build/initramfs.cpio

.PHONY: help run run-smp ssh gdb test chaos bench bench-sched budget profile sim sim-check clean setup kernel programs image

help:
	@echo "make run-smp [SMP=8]     build what is needed and boot 4 CPUs; Ctrl-A X ends it"
	@echo "make run                 the same with 1 CPU"
	@echo "make ssh [CMD='...']     log in to the running machine, or run one command on it"
	@echo "make gdb                 boot and wait for a debugger, then attach it"
	@echo "make test [ONLY=name]    every test; the last line counts them"
	@echo "make bench [BENCH=name]  against Linux on the same machine; COUNT=one is the quick part"
	@echo "make bench-sched         the scheduler's metrics against their targets"
	@echo "make profile BENCH=name  which functions execute a row's instructions"
	@echo "make budget              lower the instruction budgets to today's costs; REASON='...' raises them"
	@echo "make chaos [SECS=1800]   the scheduler disturbed from a SEED, under a storm, on CHAOS_CPUS=1,2,4,8"
	@echo "make sim [SEEDS=2 CPUS=64] the scheduler beside others on machines of up to 1,024 CPUs"
	@echo "make sim-check           the simulator beside guests of 2 and 4 CPUs, figure by figure"
	@echo "make image               build only: build/Image and build/initramfs.cpio"
	@echo "make kernel programs     build that part alone"
	@echo "make setup               install what is lacking, as every target does that needs it"
	@echo "make clean               remove what was built"
	@echo "settings: SMP=$(SMP) MACHINE=$(MACHINE) SSH_PORT=$(SSH_PORT) HTTP_PORT=$(HTTP_PORT) MEMORY=2G APPEND='kernel words'"

run-smp: image
	@echo "== $(SMP) CPUs; in another terminal: make ssh   (Ctrl-A X ends the machine)"
	@exec $(RUN) --machine $(MACHINE) --cpus $(SMP) $(if $(MEMORY),--memory $(MEMORY)) $(if $(APPEND),--append '$(APPEND)')

run: SMP := 1
run: run-smp

ssh:
	@ssh -F build/ssh/config -p $(SSH_PORT) weft $(if $(CMD),'$(subst ','\'',$(CMD))')

gdb: image
	@qemu-configs/gdb.sh $(RUN) --machine $(MACHINE) --cpus $(SMP)

CHAOS_SECS ?= 1800
CHAOS_CPUS ?= 1,2,4,8
chaos: image build/Image-chaos
	@$(LAUNCH) chaos --cpus $(CHAOS_CPUS) --secs $(or $(SECS),$(CHAOS_SECS)) $(if $(SEED),--seed $(SEED))

test: image build/bench/initramfs.cpio
	@KERNEL_ELF=$(KERNEL_ELF) $(LAUNCH) test $(if $(ONLY),--only '$(ONLY)')

# The scheduler's acceptance metrics, beside their targets and Linux. COUNT: one, kernel, four, wall,
# crowd, and the long storm; BENCHFLAGS: --record, --ours.
bench-sched: build/Image build/bench/initramfs.cpio
	@$(LAUNCH) bench-sched $(addprefix --,$(COUNT)) $(BENCHFLAGS)

# Lowers the committed instruction budgets to today's costs; REASON='...' raises them.
budget: build/Image build/bench/initramfs.cpio
	@$(LAUNCH) budget $(if $(REASON),--reason '$(REASON)')

profile: build/Image build/bench/initramfs.cpio
	@$(CARGO) build -q -p instruction-counts --target-dir target
	@$(LAUNCH) profile --elf $(KERNEL_ELF) $(addprefix --,$(COUNT)) $(BENCH)

# COUNT: one, four (instructions at 1 and 4 CPUs), wall, boot; several words, or all.
bench: build/Image build/bench/initramfs.cpio
	@$(LAUNCH) bench $(addprefix --,$(COUNT)) $(BENCHFLAGS) $(BENCH)

# Everything goes into the report in docs; part of it, for a quick look, into build.
SIMFLAGS := $(if $(SEEDS)$(CPUS),--out build/simulation,--out docs/simulation)
SIMFLAGS += $(if $(SEEDS),--seeds $(SEEDS)) $(if $(CPUS),--cpus $(CPUS))
sim: $(TOOLCHAIN)
	@$(CARGO) run --quiet --release -p smp-sim --bin sim -- $(SIMFLAGS)

# What guests of 2 and 4 CPUs count in three drills, and what the simulator says of them.
GUESTS := build/simulation/guests
sim-check: build/Image build/bench/initramfs.cpio
	@mkdir -p build/simulation && rm -f $(GUESTS)
	@for cpus in 2 4; do for drill in pair mixed burst; do \
	    $(LAUNCH) run --machine virt-4-exact --cpus $$cpus --kernel build/Image \
	        --initrd build/bench/initramfs.cpio --append "-- stress --drill $$drill --secs 1" \
	        --serial $(GUESTS).serial --hang-timeout 180 > /dev/null && \
	    grep -a ^drill= $(GUESTS).serial >> $(GUESTS) || exit 1; done; done
	@$(CARGO) run --quiet --release -p smp-sim --bin sim -- --check $(GUESTS)

clean:
	rm -rf target build user/target

# --- what is booted ---------------------------------------------------------------------

setup: $(TOOLCHAIN)
$(TOOLCHAIN): qemu-configs/setup.sh rust-toolchain.toml
	@mkdir -p build
	@qemu-configs/setup.sh $@

image: build/Image build/initramfs.cpio

# The same kernel, disturbed at the scheduler's race points; in a folder of its own.
build/Image-chaos: $(TOOLCHAIN) $(LAUNCH)
	@$(MAKE) --no-print-directory kernel TARGET=target/chaos KERNEL_FLAGS='$(KERNEL_FLAGS) --features chaos'
	@$(LAUNCH) image --elf target/chaos/$(KERNEL_TARGET)/kernel/weft --out $@
.PHONY: build/Image-chaos

# cargo decides what is out of date; these two always ask it.
kernel: $(TOOLCHAIN)
	@echo "== kernel"
	@$(CARGO) build $(KERNEL_FLAGS) -p kernel --bin weft --profile kernel --target $(KERNEL_TARGET) --target-dir $(TARGET)

programs: $(TOOLCHAIN)
	@echo "== user programs"
	@cd user && $(CARGO) build $(USER_FLAGS) --release --target $(USER_TARGET) --target-dir $(TARGET) $(PACKAGES)

$(LAUNCH): $(TOOLCHAIN) $(wildcard qemu-configs/src/*.rs qemu-configs/src/*/*.rs qemu-configs/Cargo.toml)
	@echo "== launcher"
	@$(CARGO) build -p qemu-configs --target-dir target && touch $@

build/Image: kernel $(LAUNCH)
	@$(LAUNCH) image --elf $(KERNEL_ELF) --out $@

build/busybox: $(TOOLCHAIN) user/fetch-busybox.sh qemu-configs/debian-package.sh
	@user/fetch-busybox.sh build && touch $@

.PHONY: build/ssh
build/ssh: $(TOOLCHAIN)
	@qemu-configs/keys.sh $@

# Both kernels boot the same small root file system, and little has to be built for it.
SMALL := -p bench -p init -p stress
bench-sched profile sim-check: PACKAGES := $(SMALL)
# The budgets are of the programs as `make test` builds them, all at once: `budget` builds all too.
# A boot to a login has everything that is booted usually.
ifneq ($(filter boot,$(or $(COUNT),$(if $(BENCH),,boot))),)
bench: image
else
bench: PACKAGES := $(SMALL)
endif
.PHONY: build/bench/initramfs.cpio
build/bench/initramfs.cpio: programs $(LAUNCH)
	@mkdir -p build/bench
	@$(LAUNCH) initramfs --manifest user/bench/manifest --out $@ --source programs=$(PROGRAMS)

build/initramfs.cpio: programs build/busybox build/ssh $(LAUNCH)
	@$(LAUNCH) initramfs --manifest user/manifest --out $@ \
	    --source programs=$(PROGRAMS) --source rootfs=user/rootfs --source build=build

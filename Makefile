# make [BUILD=release|debug|asan|tsan] [V=1]; see `make help`.  One makefile, objects in build/obj/$(BUILD)/.

BUILD  ?= release
PREFIX ?= /usr/local
CC     ?= cc

VERSION := $(shell sed -n 's/^\#define SCHED_VERSION "\(.*\)"/\1/p' net/handshake.h)

# ---- libraries --------------------------------------------------------------------------------------------------

PKG_CONFIG ?= pkg-config
MSGPACK    := $(shell $(PKG_CONFIG) --exists msgpack-c && echo msgpack-c || echo msgpack)
LIBS       := libevent_extra libevent_core $(MSGPACK) libzstd yaml-0.1
CTL_LIBS   := jansson
NEEDS      := $(LIBS) $(CTL_LIBS) $(if $(filter release debug,$(BUILD)),jemalloc)

ifeq ($(filter help clean,$(MAKECMDGOALS)),)
MISSING := $(strip $(foreach p,$(NEEDS),$(shell $(PKG_CONFIG) --exists $(p) || echo $(p))))
ifneq ($(MISSING),)
$(error missing libraries: $(MISSING).  `./bootstrap packages` installs everything on Debian 12)
endif
endif

# ---- flags ------------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef \
        -Wno-format-nonliteral
ifdef CI
WARN += -Werror
endif

BASE_CFLAGS := -std=gnu17 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -I. -MMD -MP \
               $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags-only-I $(LIBS) $(CTL_LIBS)))
BASE_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBS)) -lm -pthread

ifeq ($(BUILD),release)
  MODE := -O2 -g
  ALLOC := -ljemalloc
else ifeq ($(BUILD),debug)
  MODE := -O0 -g3 -DDEBUG_CHECKS
  ALLOC := -ljemalloc
else ifeq ($(BUILD),asan)
  MODE := -O1 -g -DDEBUG_CHECKS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(BUILD),tsan)
  MODE := -O1 -g -DDEBUG_CHECKS -fsanitize=thread -fno-omit-frame-pointer
else
  $(error BUILD=$(BUILD) is not one of release, debug, asan, tsan)
endif

ALL_CFLAGS  = $(WARN) $(BASE_CFLAGS) $(MODE) $(CFLAGS)
ALL_LDFLAGS = $(MODE) -pthread $(LDFLAGS)

# ---- what is built ----------------------------------------------------------------------------------------------

# release binaries are build/bin/, those of other modes build/bin-MODE/
OBJ := build/obj/$(BUILD)
BIN := build/bin$(if $(filter-out release,$(BUILD)),-$(BUILD))
LIB := build/lib$(if $(filter-out release,$(BUILD)),-$(BUILD))

src = $(sort $(wildcard $(addsuffix /*.c,$(1))))
obj = $(patsubst %.c,$(OBJ)/%.o,$(1))

COMMON_SRC := $(call src,base proto net)
CORE_SRC   := $(call src,scheduler/core scheduler/info)
SCHED_SRC  := $(call src,scheduler)
WORKER_SRC := $(call src,worker)
CLIENT_SRC := $(call src,client)
VIEW_SRC   := client/view.c client/view_index.c
CTL_SRC    := $(call src,client/ctl)
BENCH_SRC  := $(call src,bench)

PROGRAMS := $(BIN)/sched $(BIN)/sched-worker $(BIN)/schedctl $(BIN)/sched-bench
# functions for benchmarks of `call` tasks, beside sched-bench
BENCH_MODULES := $(patsubst bench/modules/%.c,$(BIN)/%.so,$(wildcard bench/modules/*.c))
CLIENT_A  := $(LIB)/libsched-client.a
CLIENT_SO := $(LIB)/libsched-client.so
SONAME    := libsched-client.so.0

.DEFAULT_GOAL := all
.PHONY: all help clean
all: $(PROGRAMS) $(CLIENT_A) $(CLIENT_SO) $(BENCH_MODULES)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $@)

$(OBJ)/%.o: %.c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

link = $(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $(1) $(BASE_LIBS) $(ALLOC) $(LDLIBS)

$(BIN)/sched: $(call obj,$(SCHED_SRC) $(CORE_SRC) $(COMMON_SRC))
	$(call say,LINK)
	$(call link,$^)

# -rdynamic: modules of `call` tasks resolve sc_task_* in the slot that loads them
$(BIN)/sched-worker: $(call obj,$(WORKER_SRC) $(COMMON_SRC))
	$(call say,LINK)
	$(call link,-rdynamic $^ -ldl)

$(BIN)/schedctl: $(call obj,$(CTL_SRC) $(call src,base)) $(CLIENT_A)
	$(call say,LINK)
	$(call link,$^ $(shell $(PKG_CONFIG) --libs $(CTL_LIBS)))

$(BIN)/sched-bench: $(call obj,$(BENCH_SRC) $(CORE_SRC) $(filter-out proto/sched_error.c,$(COMMON_SRC)) $(VIEW_SRC)) $(CLIENT_A)
	$(call say,LINK)
	$(call link,$^ $(shell $(PKG_CONFIG) --libs $(CTL_LIBS)))

# One object in which only what the public header declares is global: no name of ours can clash with a user's.
$(CLIENT_A): $(call obj,$(CLIENT_SRC) $(COMMON_SRC))
	$(call say,AR)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(LD) -r -o $(@D)/libsched-client.o $^ && objcopy --localize-hidden $(@D)/libsched-client.o
	$(Q)$(AR) rcs $@ $(@D)/libsched-client.o

$(CLIENT_SO): $(call obj,$(CLIENT_SRC) $(COMMON_SRC))
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) $(ALL_LDFLAGS) -o $@ $^ $(BASE_LIBS)

# ---- tests ------------------------------------------------------------------------------------------------------

# A program's main() lives in a file called main.c; everything else can be linked into a test.
no_main = $(filter-out %/main.c,$(1))

TST          := build/test$(if $(filter-out release,$(BUILD)),-$(BUILD))
SUPPORT_SRC  := $(call src,tests/support)
TEST_LIBS    := -lcriterion $(shell $(PKG_CONFIG) --libs $(CTL_LIBS)) -ldl

# Criterion's own runner cannot live with ThreadSanitizer; see tests/support/plain_runner.c.
ifneq ($(BUILD),tsan)
SUPPORT_SRC  := $(filter-out %/plain_runner.c,$(SUPPORT_SRC))
endif

# One runner per part, so that a part that does not compile today leaves the others testable:
# its tests, and the code it is linked with.
UNITS := base core scheduler worker client
base_TESTS      := $(call src,$(addprefix tests/unit/,base proto net support))
base_CODE       := $(COMMON_SRC)
core_TESTS      := $(call src,$(addprefix tests/unit/,scheduler/core scheduler/info bench))
core_CODE       := $(CORE_SRC) $(sort $(wildcard bench/sim*.c bench/graphs*.c)) $(VIEW_SRC) $(COMMON_SRC)
scheduler_TESTS := $(call src,tests/unit/scheduler)
scheduler_CODE  := $(call no_main,$(SCHED_SRC)) $(CORE_SRC) $(COMMON_SRC)
worker_TESTS    := $(call src,tests/unit/worker)
worker_CODE     := $(call no_main,$(WORKER_SRC)) $(COMMON_SRC)
client_TESTS    := $(call src,tests/unit/client tests/unit/client/ctl)
client_CODE     := $(call no_main,$(CLIENT_SRC) $(CTL_SRC)) $(COMMON_SRC)

BLACKBOX_SRC := $(call src,tests/blackbox)

# Shared objects for `call` tasks: examples/X/Y.c -> build/examples/X/Y.so, tests/modules/Y.c -> build/test/modules/Y.so
EXAMPLE_MODULES := $(patsubst %.c,build/%.so,$(wildcard examples/*/*.c))
TEST_MODULES    := $(patsubst tests/modules/%.c,$(TST)/modules/%.so,$(wildcard tests/modules/*.c))

build/examples/%.so: examples/%.c
	$(call say,MOD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WARN) -std=gnu17 -O2 -g -fPIC -shared -Iworker -Iproto -MMD -MP $(CFLAGS) -o $@ $<

$(BIN)/%.so: bench/modules/%.c
	$(call say,MOD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WARN) -std=gnu17 -O2 -g -fPIC -shared -Iworker -Iproto -MMD -MP $(CFLAGS) -o $@ $<

$(TST)/modules/%.so: tests/modules/%.c
	$(call say,MOD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WARN) -std=gnu17 -g -fPIC -shared -Iworker -Iproto -MMD -MP $(CFLAGS) -o $@ $<

# -rdynamic: a module loaded by a test finds sc_task_* in it
define test_program
$(TST)/$(1): $$(call obj,$$(sort $(2)))
	$$(call say,LINK)
	$$(call link,-rdynamic $$^ $$(TEST_LIBS))
TEST_PROGRAMS += $(TST)/$(1)
endef

$(foreach u,$(UNITS),$(if $($(u)_TESTS),$(eval $(call test_program,unit-$(u),$($(u)_TESTS) $($(u)_CODE) $(SUPPORT_SRC)))))
UNIT_PROGRAMS := $(TEST_PROGRAMS)
$(if $(BLACKBOX_SRC),$(eval $(call test_program,blackbox,$(BLACKBOX_SRC) $(SUPPORT_SRC) $(VIEW_SRC) $(COMMON_SRC))))

# ---- fuzzing ----------------------------------------------------------------------------------------------------

# tests/fuzz/NAME.c is a target; these three are not.  What a target needs beyond the common code: NAME_FUZZED.
FUZZ_TARGETS := $(filter-out fuzz replay seed,$(basename $(notdir $(call src,tests/fuzz))))
core_FUZZED  := $(CORE_SRC)
info_body_FUZZED := $(VIEW_SRC)
graph_FUZZED := $(call no_main,$(CLIENT_SRC) $(CTL_SRC))
fuzz_code     = tests/fuzz/$(1).c tests/fuzz/fuzz.c $($(1)_FUZZED) $(COMMON_SRC)

define replay_program
$(TST)/replay-$(1): $$(call obj,tests/fuzz/replay.c $(call fuzz_code,$(1)))
	$$(call say,LINK)
	$$(call link,$$^ $$(shell $$(PKG_CONFIG) --libs $$(CTL_LIBS)))
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call replay_program,$(t))))
REPLAYS := $(addprefix $(TST)/replay-,$(FUZZ_TARGETS))

# libFuzzer comes with clang.
FUZZ_CC    := clang
FUZZ_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -DDEBUG_CHECKS
FUZZ       ?= $(FUZZ_TARGETS)
SECONDS    ?= 30

build/obj/fuzz/%.o: %.c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(BASE_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(CFLAGS) -c -o $@ $<

define fuzz_program
build/fuzz/$(1): $$(patsubst %.c,build/obj/fuzz/%.o,$(call fuzz_code,$(1)))
	$$(call say,LINK)
	@mkdir -p $$(@D)
	$$(Q)$$(FUZZ_CC) $$(FUZZ_FLAGS) -fsanitize=fuzzer $$(LDFLAGS) -o $$@ $$^ $$(BASE_LIBS) $$(shell $$(PKG_CONFIG) --libs $$(CTL_LIBS))
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_program,$(t))))

# New inputs go to build/; a crash stays in build/fuzz/crash-*, and belongs into tests/fuzz/corpus/ once it is mended.
.PHONY: fuzz fuzz-build fuzz-seeds
fuzz-build: $(addprefix build/fuzz/,$(FUZZ))
fuzz: fuzz-build
	@for t in $(FUZZ); do \
		mkdir -p build/fuzz/corpus/$$t; \
		ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 build/fuzz/$$t -max_total_time=$(SECONDS) -timeout=10 \
			-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=build/fuzz/crash-$$t- \
			build/fuzz/corpus/$$t $(wildcard tests/fuzz/corpus)/$$t >build/fuzz/$$t.log 2>&1 || \
			{ tail -n 60 build/fuzz/$$t.log; echo "$$t: failed; see build/fuzz/$$t.log"; exit 1; }; \
		sed -n "s/^stat::number_of_executed_units: */  $$t: $(SECONDS) s, inputs tried: /p" build/fuzz/$$t.log; \
	done

fuzz-seeds: $(TST)/seed
	$(TST)/seed tests/fuzz/corpus
$(TST)/seed: $(call obj,tests/fuzz/seed.c $(COMMON_SRC))
	$(call say,LINK)
	$(call link,$^)

# ---- documentation ----------------------------------------------------------------------------------------------

# What comes from tables in the source: rewritten by `make docs`, checked by `make lint`.
GENERATED_IN := docs/protocol.md $(sort $(wildcard docs/man/*.[15]))
DOCS_GEN     := $(TST)/docs-gen

$(DOCS_GEN): $(call obj,$(call src,docs/gen) $(call no_main,$(CLIENT_SRC) $(CTL_SRC)) $(COMMON_SRC))
	$(call say,LINK)
	$(call link,$^ $(shell $(PKG_CONFIG) --libs $(CTL_LIBS)))

.PHONY: docs docs-check
docs: $(DOCS_GEN)
	@$(DOCS_GEN) $(GENERATED_IN)
	@$(DOCS_GEN) --sample >docs/sched.yaml.sample
docs-check: $(DOCS_GEN)
	@rm -rf build/docs && mkdir -p build/docs && cp $(GENERATED_IN) build/docs/
	@$(DOCS_GEN) $(addprefix build/docs/,$(notdir $(GENERATED_IN))) && $(DOCS_GEN) --sample >build/docs/sched.yaml.sample
	@for f in $(GENERATED_IN) docs/sched.yaml.sample; do \
		cmp -s $$f build/docs/$${f##*/} || { echo "$$f is stale: run make docs"; exit 1; }; \
	done

# ---- running tests ----------------------------------------------------------------------------------------------

TEST_RUN := tests/run $(BUILD) $(BIN) $(TST)

.PHONY: test test-unit test-blackbox test-programs test-asan test-tsan
test-programs: all $(TEST_PROGRAMS) $(REPLAYS) $(TEST_MODULES) $(EXAMPLE_MODULES)
test: test-programs
	@$(TEST_RUN) $(TEST_PROGRAMS) $(REPLAYS)
test-unit: $(if $(UNIT),$(addprefix $(TST)/unit-,$(UNIT)),$(UNIT_PROGRAMS)) $(TEST_MODULES)
	@$(TEST_RUN) $(filter $(TST)/unit-%,$^)
test-blackbox: all $(TST)/blackbox $(TEST_MODULES) $(EXAMPLE_MODULES)
	@$(TEST_RUN) $(TST)/blackbox
test-asan:
	$(Q)$(MAKE) --no-print-directory BUILD=asan test
test-tsan:
	$(Q)$(MAKE) --no-print-directory BUILD=tsan test-unit

# ---- benchmarks -------------------------------------------------------------------------------------------------

.PHONY: bench bench-graph bench-info bench-peers soak
bench: all
	@for s in latency exec noop; do $(BIN)/sched-bench $$s || exit 1; done

# Graphs of tasks that do nothing: what is promised of scheduling, and how costs grow; docs/performance.md has its tables.
bench-graph: all
	$(Q)bench/graph_series.py $(BIN)

# Cluster info: what is promised, and how costs grow.  Ten minutes; docs/cluster-info.md has its tables.
bench-info: all
	$(Q)bench/info_series.py $(BIN)

# Ours and that of others, on this machine.  First cluster info; WORKERS=, CLIENTS=, INTERVAL_MS= for another size.
WORKERS     ?= 800
CLIENTS     ?= 800
INTERVAL_MS ?= 2000
bench-peers: all
	@bench/peers/run $(BIN) $(WORKERS) $(CLIENTS) $(INTERVAL_MS)
	@bench/peers/run_tasks $(BIN)

# The second part alone: graphs of empty tasks and of /bin/true.  Ten minutes at most.
bench-peers-tasks: all
	@bench/peers/run_tasks $(BIN)

# Longer than anyone waits for: a result larger than 2 GiB through agents and a client (5 GB of disk, a minute), the
# simulator, then every fuzz target, SECONDS each.
LARGE_RESULT_BYTES ?= 2147483648
soak: all
	$(Q)LARGE_RESULT_BYTES=$(LARGE_RESULT_BYTES) VERBOSE=1 $(MAKE) --no-print-directory test-blackbox FILTER='large/*'
	$(BIN)/sched-bench sim --seconds $(SECONDS)
	@for g in merge-100k tree-15 bag-50k-50 numpy-50k-100 groupby-1440-1s-1h join-1-1s-1h join-1-1s-1t xarray-5; do \
		$(BIN)/sched-bench sim --graph $$g --workers 10000 --deaths 500 --seeds 4 || exit 1; done
	$(Q)$(MAKE) --no-print-directory fuzz SECONDS=$(SECONDS)

# ---- installation -----------------------------------------------------------------------------------------------

prefix     := $(DESTDIR)$(PREFIX)
INSTALLED_BIN := $(notdir $(PROGRAMS))
INSTALLED_INCLUDE := client/sched_client.h proto/sched_error.h worker/sched_task.h

.PHONY: install uninstall
install: all
	install -d $(prefix)/bin $(prefix)/lib/pkgconfig $(prefix)/include $(prefix)/share/man/man1 $(prefix)/share/man/man5 \
		$(prefix)/share/doc/sched $(prefix)/share/bash-completion/completions $(prefix)/share/zsh/site-functions
	install -m 755 $(PROGRAMS) $(prefix)/bin
	install -m 644 $(CLIENT_A) $(prefix)/lib
	install -m 755 $(CLIENT_SO) $(prefix)/lib/$(SONAME)
	ln -sf $(SONAME) $(prefix)/lib/libsched-client.so
	install -m 644 $(INSTALLED_INCLUDE) $(prefix)/include
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@MSGPACK@|$(MSGPACK)|' client/sched-client.pc.in \
		>$(prefix)/lib/pkgconfig/sched-client.pc
	install -m 644 $(wildcard docs/man/*.1) $(prefix)/share/man/man1
	install -m 644 $(wildcard docs/man/*.5) $(prefix)/share/man/man5
	install -m 644 README.md docs/sched.yaml.sample docs/protocol.md docs/architecture.md $(prefix)/share/doc/sched
	$(BIN)/schedctl completion bash >$(prefix)/share/bash-completion/completions/schedctl
	$(BIN)/schedctl completion zsh >$(prefix)/share/zsh/site-functions/_schedctl

uninstall:
	rm -f $(addprefix $(prefix)/bin/,$(INSTALLED_BIN)) $(addprefix $(prefix)/include/,$(notdir $(INSTALLED_INCLUDE)))
	rm -f $(prefix)/lib/libsched-client.a $(prefix)/lib/$(SONAME) $(prefix)/lib/libsched-client.so
	rm -f $(prefix)/lib/pkgconfig/sched-client.pc
	rm -f $(addprefix $(prefix)/share/man/man1/,$(notdir $(wildcard docs/man/*.1)))
	rm -f $(addprefix $(prefix)/share/man/man5/,$(notdir $(wildcard docs/man/*.5)))
	rm -f $(prefix)/share/bash-completion/completions/schedctl $(prefix)/share/zsh/site-functions/_schedctl
	rm -rf $(prefix)/share/doc/sched

# ---- lint -------------------------------------------------------------------------------------------------------

.PHONY: lint format
lint: docs-check
	@tests/lint

# clang-tidy takes seconds a file: what has not changed since it was found clean is not looked at again.
LINT_SRC := $(sort $(COMMON_SRC) $(CORE_SRC) $(SCHED_SRC) $(WORKER_SRC) $(CLIENT_SRC) $(CTL_SRC) $(BENCH_SRC) $(call src,docs/gen))
TIDY     := -std=gnu17 -D_GNU_SOURCE -D__clang_analyzer__ -I. $(shell $(PKG_CONFIG) --cflags-only-I $(LIBS) $(CTL_LIBS))
.PHONY: tidy
tidy: $(patsubst %.c,build/tidy/%.ok,$(LINT_SRC))
build/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@$(CC) $(TIDY) -MM -MP -MT $@ -MF build/tidy/$*.d $<
	@clang-tidy --quiet $< -- $(TIDY) 2>/dev/null | grep -E ': (warning|error): ' && exit 1 || touch $@

format:
	clang-format -i $(shell find base proto net scheduler worker client bench tests docs/gen examples -name '*.[ch]')

# ---- help -------------------------------------------------------------------------------------------------------

define HELP
make [BUILD=release|debug|asan|tsan] [V=1] [TARGET]

  all             programs in build/bin/ and the client library in build/lib/ (other modes: build/bin-MODE/)
  test            all tests; the last line is `N passed, N failed`.  FILTER='suite/test' runs some
  test-unit       unit tests; UNIT=base|core|scheduler|worker|client: one part
  test-blackbox   tests that run the programs
  test-asan       all tests under AddressSanitizer and UndefinedBehaviorSanitizer
  test-tsan       unit tests under ThreadSanitizer
  bench           latency, exec and noop, a JSON object per figure
  bench-graph     what scheduling a task costs, graph by graph, and how that grows; two minutes
  bench-info      what is promised of cluster info, and how its costs grow; ten minutes
  bench-peers     cluster info against other schedulers, with a table; WORKERS=800 CLIENTS=800 INTERVAL_MS=2000
  bench-peers-tasks  tasks that do nothing against other schedulers, xargs and GNU parallel, with a table
  fuzz            libFuzzer targets; FUZZ=NAME: one; SECONDS=30: for each
  soak            a result of LARGE_RESULT_BYTES (2 GiB and a little), the simulator and all fuzz targets, SECONDS each
  lint            formatting, clang-tidy, cppcheck, house rules, stale documentation
  format          put all sources into shape
  docs            regenerate what comes from tables
  install         to PREFIX (/usr/local), below DESTDIR
  uninstall       take it away again
  clean           remove build/

CFLAGS and LDFLAGS are yours and come last.
endef
export HELP

help:
	@echo "$$HELP"

-include $(shell find build -name '*.d' 2>/dev/null)

clean:
	rm -rf build

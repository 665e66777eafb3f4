# SPDX-License-Identifier: MIT
# superd: GNU make, one file, not recursive. The first call bootstraps autoconf and ./configure.
#
#   make              build into $(BUILD)          make run      build, start the demonstration
#   make check        every test, one summary      make install  DESTDIR= prefix= as GNU has them
#   make help         the rest
#
# Useful on the command line: BUILD=DIR CXX=… CXXFLAGS=… LDFLAGS=… WERROR=-Werror V=1

BUILD ?= build
SHELL = /bin/sh
MAKEFLAGS += --no-print-directory
Q = $(if $(V),,@)

# config.mk is made (and configure run) only for goals that need it.
PLAIN_GOALS = clean distclean help run check dist
ifneq ($(filter-out $(PLAIN_GOALS),$(or $(MAKECMDGOALS),all)),)
-include config.mk
endif

# ---- sources: a word for each file, by layer (a folder includes only folders above it here)

LIB_base    = result fd text signals units address host_name packet packet_socket
LIB_config  = plan diagnostics tree toml_scan toml_explain toml file loader options options_render foreign netlink_families address_spec target_spec \
	report values values_special values_limits values_life values_health values_when values_log values_warm values_sandbox capabilities system_calls system_call_groups sandbox_presets dynamic_users nss host environment_file written inherit networks resolve resolve_listeners \
	resolve_admission resolve_identity resolve_process resolve_warm resolve_pool resolve_copies resolve_life resolve_sandbox resolve_when resolve_upkeep resolve_relay resolve_proxy resolve_tls tls_findings resolve_daemon resolve_check resolve_log resolve_announce conflicts order_graph dependencies codec diff plan_json config \
	import import_host import_report import_settle import_share import_write \
	import_hosts_access import_xinetd import_xinetd_scan import_xinetd_compat import_xinetd_read import_xinetd_values import_xinetd_map import_xinetd_run import_xinetd_admit \
	import_inetd import_inetd_block import_inetd_fields import_inetd_program import_inetd_service import_inetd_text \
	import_systemd import_systemd_command import_systemd_keys import_systemd_life import_systemd_restart import_systemd_service import_systemd_socket import_systemd_unit import_systemd_words
LIB_policy  = exit_when life warm idleness health pool rolling listen_environment notice restart calendar access admission authorize backoff hours log_limiter rate refusal sources state_names spawn_plan exec_spec client_filter \
	denials targets
LIB_log     = json format line_forms xinetd writer channel hub reader lines ring sinks log_file file_sink sink_set archive gzip board file_jobs journal server collector
LIB_sys     = kin open_file sock_diag stillness http_reply http_client notify notify_listener listening background accept client_queue descriptors holder message_queue listen_socket node renew_listener repair socket_options child clone closer guard launch_buffer launch_queue launcher probe process reaper idle_priority warm_recovery recovery slots spawner state state_text handover connect_socket socket_owner farewell peer_label sealed_file step_in wrappers bpf client_filter classic_filter \
	confine mounts namespaces pid_namespace landlock cgroup ident ident_client lookups resolve_channel resolve_server take_over \
	announce_channel announce_server rpc_registry rpc_listing rpc_backend rpcbind \
	avahi_services avahi_bus avahi_backend
LIB_relay   = protocol channel wheel poller builtins conduit conversation talk asking preface access_list source_rates datagrams flows pump proxy_header proxy_reader proxy_preface starttls tls_pump profiles sandbox relay
LIB_tls     = material context context_parts names tickets describe session probe check key_server remote_key
LIB_loop    = loop
LIB_engine  = scaling own_programs records kept_listeners warm warming proxying tls_files securing descriptor_store exiting following arrivals idling recycling checkups watches heartbeat groups config_reader errand upgrader upgrading service doors directories outputs processes relays relay_processes relay_keys supervisor accepting relaying relaying_datagrams living hearing commanding contact waiters workers ending reloading last_good orders status given_users recovering farewells \
	resolver \
	pools pooling rolling holding deny_list denying announcer announcing timers timing ordering lining_up upstreams target_names
LIB_control = access call client ctl ctl_edit ctl_enable ctl_file ctl_import ctl_upgrade ctl_logs ctl_look ctl_sandbox ctl_tell ctl_tls ctl_try documents endpoint frame_gate install names object render server session switches wait_for \
	ctl_deny

LAYERS = base config policy log sys tls relay loop engine control
LIB_SOURCES = $(foreach layer,$(LAYERS),$(patsubst %,src/$(layer)/%.cc,$(LIB_$(layer))))

# program: its main, src/cmd/NAME.cc. superd goes to sbin, superctl to bin, others to libexec/superd.
PROGRAMS = superd superctl superd-log superd-relay superd-key superd-tls superd-resolve superd-exec superd-announce
PROGRAM_LIBS = $(UV_LIBS) $(TOML_LIBS) $(SYSTEMD_LIBS) $(SECCOMP_LIBS) $(FMT_LIBS) -lpthread
# libtirpc is for superd-announce alone; -l is taken where something asks for it.
$(BUILD)/superd-announce: PROGRAM_LIBS += $(TIRPC_LIBS)
$(BUILD)/superd-log $(BUILD)/unit: PROGRAM_LIBS += $(ZLIB_LIBS)
# OpenSSL is for those alone that speak TLS or look at certificates: never for superd itself.
$(BUILD)/superd-relay $(BUILD)/superd-key $(BUILD)/superd-tls $(BUILD)/unit: PROGRAM_LIBS += $(OPENSSL_LIBS)

# One protocol served in every way: contrib/zen/NAME.cc, one source each and nothing of src.
ZEN = zen_handler zen_worker zen_single zen_threads zen_processes zen_loop zen_uv zen_coroutines zen_cores zen_ask zen_load
ZEN_PYTHON = zen.py zen_socketserver.py zen_asyncio_protocol.py zen_asyncio_streams.py zen_asyncore.py

# Programs that tests start: tests/programs/NAME.cc, one source each and nothing of src.
TEST_PROGRAMS = report fake_avahi silent

UNIT_base    = packet fd text units address \
	host_name
UNIT_config  = manual diagnostics toml loader address_spec target_spec options foreign resolve resolve_relay resolve_proxy resolve_tls resolve_announce inheritance networks codec diff config import_hosts_access import_xinetd import_samples import_write \
	import_inetd import_inetd_samples import_systemd import_xinetd_report import_systemd_report import_inetd_report resolve_values dynamic_users resolve_life resolve_copies resolve_warm resolve_when resolve_upkeep order_graph resolve_sandbox system_calls every_option import_host
UNIT_policy  = access_index warm idleness health pool rolling listen_environment admission backoff hours log_limiter rate sources environment spawn_plan exec_spec \
	denials targets exit_when life restart notice calendar
UNIT_log     = log_channel log_collector log_format log_hub log_json log_lines log_ring log_server log_sinks log_writer log_xinetd log_archive log_file log_file_jobs log_board
UNIT_sys     = message_queue warm_recovery accept sock_diag http_reply client_queue listen_socket probe renew_listener repair guard launch_queue reaper recovery spawner state state_text handover closer client_filter step_in cgroup \
	ident resolve_channel resolve_server take_over announce_channel rpc_backend rpc_listing avahi_services notify notify_listener
UNIT_relay   = relay_protocol wheel relay relay_asking relay_datagrams relay_flows sandbox proxy_header proxy_reader relay_proxy preface access_list
UNIT_tls     = key_server starttls
UNIT_loop    = loop
UNIT_engine  = kept_listeners scaling descriptor_store living arrivals watches heartbeat config_reader directories doors records service_view supervisor supervisor_relay supervisor_view reloading farewells \
	resolver target_names deny_list announcer timers ordering
UNIT_control = control ctl documents ctl_file ctl_import ctl_look ctl_tell ctl_try frame_gate endpoint
UNIT_TESTS = $(foreach layer,$(LAYERS),$(UNIT_$(layer)))

# libsuperd-park.so, which goes into other people's programs: libc alone, and nothing instrumented.
PARK = park calls interpreters

# ---- flags

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast \
	-Wnon-virtual-dtor -Woverloaded-virtual -Wsuggest-override -Wduplicated-cond \
	-Wduplicated-branches -Wlogical-op -Wnull-dereference -Wformat=2 -Wimplicit-fallthrough \
	-Wmissing-declarations -Wundef -Wvla $(WERROR)
# _FORTIFY_SOURCE means something (and does not warn) only where the compiler optimises.
FORTIFY = $(if $(filter -O -O1 -O2 -O3 -Os -Og,$(CXXFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
HARDENING = $(FORTIFY) -fstack-protector-strong -fstack-clash-protection -fPIE
ASSERTIONS = -D_GLIBCXX_ASSERTIONS
LINK_HARDENING = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
HELPERS_DIR = $(libexecdir)/superd
PATHS = -DSUPERD_LIBEXECDIR='"$(HELPERS_DIR)"' -DSUPERD_SYSCONFDIR='"$(sysconfdir)"' \
	-DSUPERD_LOCALSTATEDIR='"$(localstatedir)"' -DSUPERD_RUNSTATEDIR='"$(runstatedir)"'
system_headers = $(patsubst -I%,-isystem %,$(1))
ALL_CXXFLAGS = -std=c++20 -D_GNU_SOURCE -Isrc \
	$(call system_headers,$(UV_CFLAGS) $(TOML_CFLAGS) $(SYSTEMD_CFLAGS) $(TIRPC_CFLAGS) $(SECCOMP_CFLAGS) $(ZLIB_CFLAGS) $(OPENSSL_CFLAGS) $(FMT_CFLAGS)) \
	$(WARNINGS) $(HARDENING) $(ASSERTIONS) -MMD -MP $(CXXFLAGS) $(SANITIZE)
ALL_LDFLAGS = $(LINK_HARDENING) $(SANITIZE) $(LDFLAGS)

# ---- build

LIB = $(BUILD)/libsuperd.a
LIB_OBJECTS = $(LIB_SOURCES:src/%.cc=$(BUILD)/obj/%.o)
PROGRAM_FILES = $(PROGRAMS:%=$(BUILD)/%)
ZEN_FILES = $(ZEN:%=$(BUILD)/zen/%) $(ZEN_PYTHON:%=$(BUILD)/zen/%)
PARK_FILE = $(BUILD)/libsuperd-park.so
PARK_FLAGS = -std=c++20 -D_GNU_SOURCE -Isrc $(WARNINGS) -O2 -U_FORTIFY_SOURCE -fPIC -MMD -MP -fno-exceptions \
	-fno-rtti -fno-threadsafe-statics -fno-stack-protector -fvisibility=hidden
TEST_PROGRAM_FILES = $(TEST_PROGRAMS:%=$(BUILD)/tests/%)
UNIT_OBJECTS = $(UNIT_TESTS:%=$(BUILD)/obj/tests/unit/%_test.o) $(BUILD)/obj/tests/unit/main.o

.PHONY: all
all: $(PROGRAM_FILES) $(ZEN_FILES) $(PARK_FILE)

configure: configure.ac
	@sh contrib/packages --need build
	@mkdir -p build/aux
	autoreconf --install

config.mk: configure src/config.mk.in
	@sh contrib/packages --need build
	./configure --quiet

# Change when the command line does, so that objects of two kinds never mix in one directory.
FLAGS_FILE = $(BUILD)/obj/flags
PATHS_FILE = $(BUILD)/obj/paths
.PHONY: always
$(FLAGS_FILE): TEXT = $(CXX) $(ALL_CXXFLAGS)
$(PATHS_FILE): TEXT = $(PATHS)
$(FLAGS_FILE) $(PATHS_FILE): always
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(TEXT))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(TEXT))' >$@

say = @$(if $(V),,printf '  %-4s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))

# Only programs know where they are installed: `make install prefix=…` compiles nothing else anew.
$(BUILD)/obj/cmd/%.o: src/cmd/%.cc $(FLAGS_FILE) $(PATHS_FILE)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(ALL_CXXFLAGS) $(PATHS) -c -o $@ $<

$(BUILD)/obj/%.o: src/%.cc $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -c -o $@ $<

# CLI11's own code, once it is inlined, trips over this one; a pragma does not reach it.
$(BUILD)/obj/cmd/superctl.o: private ALL_CXXFLAGS += -Wno-null-dereference

$(BUILD)/obj/tests/%.o: tests/%.cc $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -Itests -c -o $@ $<

$(BUILD)/obj/zen/%.o: contrib/zen/%.cc $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -c -o $@ $<

$(LIB): $(LIB_OBJECTS)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/superd: $(BUILD)/obj/cmd/superd_options.o $(BUILD)/obj/cmd/superd_place.o
$(PROGRAM_FILES): $(BUILD)/%: $(BUILD)/obj/cmd/%.o $(LIB)
	$(call say,LD)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(PROGRAM_LIBS)

$(BUILD)/obj/park/%.o: src/park/%.cc $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(PARK_FLAGS) -c -o $@ $<

$(PARK_FILE): $(PARK:%=$(BUILD)/obj/park/%.o)
	$(call say,LD)
	$(Q)$(CXX) -shared -nostdlib -Wl,-z,relro,-z,now,-z,defs -o $@ $^ -lc

$(BUILD)/zen/%.py: contrib/zen/%.py
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(BUILD)/zen/zen_uv: ZEN_LIBS = $(UV_LIBS)
$(BUILD)/zen/%: $(BUILD)/obj/zen/%.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $< $(ZEN_LIBS) -lpthread

# Static, so that it starts in an empty root; never sanitized, for it is other people's program.
$(BUILD)/tests/report: tests/programs/report.cc
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) -std=c++20 -D_GNU_SOURCE $(WARNINGS) -O1 -static -o $@ $<

$(BUILD)/tests/fake_avahi: TEST_LIBS = $(SYSTEMD_LIBS)
$(BUILD)/tests/%: $(BUILD)/obj/tests/programs/%.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $< $(TEST_LIBS) -lpthread

# The test framework itself, which the sanitizers would compile for many minutes.
$(BUILD)/obj/tests/unit/main.o: private override SANITIZE =

$(BUILD)/unit: $(UNIT_OBJECTS) $(LIB)
	$(call say,LD)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $(UNIT_OBJECTS) $(LIB) $(PROGRAM_LIBS)

.SECONDARY:

# ---- run: the demonstration, in the foreground, on unprivileged ports

# On all processors, unless -j was said.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))

.PHONY: run run-demo
run:
	@sh contrib/packages build
	@exec sh contrib/as-caller $(MAKE) $(PARALLEL) BUILD='$(BUILD)' run-demo

run-demo: all
	@exec sh contrib/demo $(BUILD)

# ---- check: each part leaves "passed failed skipped" in $(BUILD)/results/PART
# (the name of its target without "check-")

CHECK_PARTS = check-layers check-man check-unit check-options check-system fuzz-short bench-smoke

.PHONY: check check-all check-layers check-man check-unit check-options check-system
check:
	@sh contrib/packages build check
	@exec sh contrib/as-caller $(MAKE) $(PARALLEL) BUILD='$(BUILD)' check-all

check-all:
	@BUILD='$(BUILD)' MAKE='$(MAKE)' sh tests/support/check_all $(CHECK_PARTS)

check-layers:
	@mkdir -p $(BUILD)/results
	@python3 tests/support/check_layers --results $(BUILD)/results/layers

check-man:
	@mkdir -p $(BUILD)/results
	@sh tests/support/check_man $(BUILD)/results/man $(MANUALS)

check-unit: $(BUILD)/unit $(BUILD)/superd-log $(BUILD)/tests/report
	@mkdir -p $(BUILD)/results
	@sh tests/support/count_catch $(BUILD)/results/unit $(BUILD)/unit $(UNIT_ARGS)

check-options: all
	@mkdir -p $(BUILD)/results
	@python3 tests/support/check_options --build $(BUILD) --results $(BUILD)/results/options

check-system: all $(TEST_PROGRAM_FILES)
	@mkdir -p $(BUILD)/results
	@tests/system/run --build $(BUILD) $(SYSTEM_ARGS)

# Long: SOAK_SECONDS for each of upgrades and kills, a thousand reloads; check-system has the short form.
SOAK_SECONDS ?= 300
.PHONY: soak
soak: all
	@SUPERD_SOAK=$(SOAK_SECONDS) tests/system/run -v -j1 --build $(BUILD) 'soak: '

# ---- fuzz: libFuzzer targets tests/fuzz/NAME.cc, built with clang and the layers they need

FUZZERS = toml_fuzz address_fuzz log_fuzz codec_fuzz relay_fuzz import_xinetd_fuzz \
	resolve_fuzz import_inetd_fuzz import_systemd_fuzz notice_fuzz http_fuzz proxy_fuzz key_fuzz starttls_fuzz
FUZZ_LIB = $(LIB_base:%=src/base/%.cc) \
	$(patsubst %,src/sys/%.cc,http_reply ident resolve_channel announce_channel) \
	$(patsubst %,src/log/%.cc,archive channel format json line_forms lines reader xinetd) \
	src/policy/notice.cc \
	$(patsubst %,src/tls/%.cc,material context context_parts names tickets key_server remote_key) \
	$(patsubst %,src/relay/%.cc,protocol preface proxy_header proxy_reader starttls) \
	$(patsubst %,src/config/%.cc,$(filter-out import_host config loader diff,$(LIB_config)))
FUZZ_CXX ?= $(firstword $(foreach name,clang++-16 clang++-14 clang++,$(shell command -v $(name))) clang++-16)
FUZZ_SECONDS ?= 10
FUZZ_SEED ?= 1
FUZZ_CXXFLAGS = -std=c++20 -D_GNU_SOURCE -Isrc -Itests \
	$(call system_headers,$(UV_CFLAGS) $(TOML_CFLAGS) $(SECCOMP_CFLAGS) $(ZLIB_CFLAGS) $(OPENSSL_CFLAGS) $(FMT_CFLAGS)) \
	-O1 -g -MMD -MP -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_FILES = $(FUZZERS:%=$(BUILD)/fuzz/%)
FUZZ_OBJECTS = $(FUZZ_LIB:src/%.cc=$(BUILD)/obj/fuzz/lib/%.o)

$(BUILD)/obj/fuzz/lib/%.o: src/%.cc $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(call say,FUZZ)
	$(Q)$(FUZZ_CXX) $(FUZZ_CXXFLAGS) -c -o $@ $<

$(BUILD)/obj/fuzz/%.o: tests/fuzz/%.cc $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(call say,FUZZ)
	$(Q)$(FUZZ_CXX) $(FUZZ_CXXFLAGS) -c -o $@ $<

$(FUZZ_FILES): $(BUILD)/fuzz/%: $(BUILD)/obj/fuzz/%.o $(FUZZ_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(FUZZ_CXX) -fsanitize=fuzzer,address,undefined -o $@ $^ $(TOML_LIBS) $(SECCOMP_LIBS) $(OPENSSL_LIBS) $(FMT_LIBS) -lpthread

.PHONY: fuzz fuzz-short fuzz-build
fuzz-build: $(FUZZ_FILES)

fuzz-short:
	@mkdir -p $(BUILD)/results
	@BUILD='$(BUILD)' MAKE='$(MAKE)' FUZZ_CXX='$(FUZZ_CXX)' FUZZ_SEED='$(FUZZ_SEED)' \
		sh tests/fuzz/run $(BUILD)/results/$@ $(FUZZ_SECONDS) $(FUZZERS)

fuzz:
	@$(MAKE) fuzz-short FUZZ_SECONDS=3600 FUZZ_SEED=0

# Under a real systemd, in a machine of its own: tests/vm/README.
.PHONY: vm
vm: all
	@sh tests/vm/run --build $(BUILD)

# ---- sanitizers, benchmarks, static checks

.PHONY: asan bench lint format format-check
asan:
	@$(MAKE) $(PARALLEL) BUILD=$(BUILD)/asan FORTIFY= WERROR= CXXFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' \
		check-all

# ---- bench: programs in C, then tests/bench/run; BENCH_ARGS='--quick rate16 latency' chooses
BENCH_C = floor fork_loop refuse_loop listen_loop loadgen upstream udpload handler_dynamic
BENCH_STATIC = handler_static handler_mark handler_hold
BENCH_FILES = $(BENCH_C:%=$(BUILD)/bench/%) $(BENCH_STATIC:%=$(BUILD)/bench/%) \
	$(BUILD)/bench/daemon_static $(BUILD)/bench/backlog.so
BENCH_CFLAGS = -std=gnu11 -O2 -Wall -Wextra -Wconversion -Wshadow $(WERROR)

$(BENCH_C:%=$(BUILD)/bench/%): $(BUILD)/bench/%: tests/bench/%.c tests/bench/common.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(BENCH_CFLAGS) -pthread -o $@ $<

$(BUILD)/bench/handler_mark: BENCH_KIND = -DMARK
$(BUILD)/bench/handler_hold: BENCH_KIND = -DHOLD
BENCH_BARE = $(CC) $(BENCH_CFLAGS) $(BENCH_KIND) -static -nostdlib -fno-stack-protector -fno-builtin
$(BENCH_STATIC:%=$(BUILD)/bench/%): tests/bench/handler_static.c tests/bench/bare.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(BENCH_BARE) -o $@ $<

$(BUILD)/bench/daemon_static: tests/bench/daemon_static.c tests/bench/bare.h
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(BENCH_BARE) -o $@ $<

$(BUILD)/bench/backlog.so: tests/bench/backlog.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(BENCH_CFLAGS) -shared -fPIC -o $@ $<

.PHONY: bench-build bench-smoke
bench-build: all $(BENCH_FILES)

bench:
	@$(MAKE) BUILD=$(BUILD)/release CXXFLAGS='-O2 -g -DNDEBUG' ASSERTIONS= bench-build
	@tests/bench/run --build $(BUILD)/release $(BENCH_ARGS)

# Seconds: the programs build and rows run; no figure is judged.
bench-smoke: bench-build
	@mkdir -p $(BUILD)/results
	@tests/bench/run --build $(BUILD) --quick --no-peers --results $(BUILD)/results/$@ rate16 latency refused
# ---- end of bench

# What each zen server costs: contrib/zen/COSTS and costs.svg. ZEN_ARGS='--rounds 1 zen-uv' chooses.
.PHONY: zen-report
zen-report:
	@$(MAKE) BUILD=$(BUILD)/release CXXFLAGS='-O2 -g -DNDEBUG' ASSERTIONS= all
	@contrib/zen/report --build $(BUILD)/release $(ZEN_ARGS)

CXX_FILES = $(wildcard src/*/*.cc src/*/*.h tests/*/*.cc tests/*/*.h contrib/zen/*.cc contrib/zen/*.h)
LINT_FILES = $(filter src/%.cc contrib/%.cc,$(CXX_FILES))
lint: config.mk
	@sh tests/support/lint $(LINT_FILES) -- \
		-std=c++20 -D_GNU_SOURCE -Isrc $(PATHS) $(UV_CFLAGS) $(TOML_CFLAGS) $(SYSTEMD_CFLAGS) $(TIRPC_CFLAGS) $(SECCOMP_CFLAGS) $(ZLIB_CFLAGS) $(FMT_CFLAGS)

format:
	clang-format -i $(CXX_FILES)

format-check:
	@clang-format --dry-run --Werror $(CXX_FILES)

# ---- install, uninstall, dist

INSTALL = install
INSTALL_PROGRAM = $(INSTALL) -m 0755
INSTALL_DATA = $(INSTALL) -m 0644
unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
exampledir = $(docdir)/examples
MANUALS = man/superd.8 man/superctl.8 man/superd-relay.8 man/superd-key.8 man/superd-tls.8 man/superd-announce.8 man/superd.toml.5 man/superd-import.7

# The option list of superd.toml(5), from the options table.
.PHONY: manual
manual: $(BUILD)/unit
	$(BUILD)/unit '[manual-write]'

# Paths that files carry in their GNU default form, turned into those of this installation.
place = sed -e 's|/usr/libexec/superd|$(HELPERS_DIR)|g' -e 's|/usr/sbin/superd|$(sbindir)/superd|g' \
	-e 's|/usr/bin/superctl|$(bindir)/superctl|g' -e 's|/etc/superd|$(sysconfdir)/superd|g'

# FROM TO, one a line: what install puts there and uninstall takes away.
HELPERS = $(filter-out superd superctl,$(PROGRAMS))
PLACED = etc/superd.service $(unitdir)/superd.service \
	etc/superd.sysusers $(sysusersdir)/superd.conf \
	etc/superd.tmpfiles $(tmpfilesdir)/superd.conf \
	etc/superd.toml $(exampledir)/superd.toml \
	etc/superd-demo.toml $(exampledir)/superd-demo.toml \
	contrib/from-xinetd $(docdir)/from-xinetd \
	contrib/zen/README $(exampledir)/zen/README \
	contrib/zen/superd.toml $(exampledir)/zen/superd.toml \
	contrib/zen/COSTS $(exampledir)/zen/COSTS \
	contrib/zen/costs.svg $(exampledir)/zen/costs.svg \
	contrib/fail2ban/superd.conf $(exampledir)/fail2ban/filter.d/superd.conf \
	contrib/fail2ban/action-superd.conf $(exampledir)/fail2ban/action.d/superd.conf \
	contrib/nagios/check_superd $(exampledir)/nagios/check_superd \
	man/superd.8 $(mandir)/man8/superd.8 \
	man/superctl.8 $(mandir)/man8/superctl.8 \
	man/superd-relay.8 $(mandir)/man8/superd-relay.8 \
	man/superd-key.8 $(mandir)/man8/superd-key.8 \
	man/superd-tls.8 $(mandir)/man8/superd-tls.8 \
	man/superd-announce.8 $(mandir)/man8/superd-announce.8 \
	man/superd.toml.5 $(mandir)/man5/superd.toml.5 \
	man/superd-import.7 $(mandir)/man7/superd-import.7

.PHONY: install install-files uninstall dist
install: all
	@$(MAKE) install-files

install-files:
	$(INSTALL) -d '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(bindir)' '$(DESTDIR)$(HELPERS_DIR)/zen' \
		'$(DESTDIR)$(sysconfdir)/superd.d' '$(DESTDIR)$(docdir)'
	$(if $(filter superd,$(PROGRAMS)),$(INSTALL_PROGRAM) $(BUILD)/superd '$(DESTDIR)$(sbindir)/superd')
	$(if $(filter superctl,$(PROGRAMS)),$(INSTALL_PROGRAM) $(BUILD)/superctl '$(DESTDIR)$(bindir)/superctl')
	$(if $(HELPERS),$(INSTALL_PROGRAM) $(HELPERS:%=$(BUILD)/%) $(PARK_FILE) '$(DESTDIR)$(HELPERS_DIR)')
	$(INSTALL_PROGRAM) $(ZEN_FILES) '$(DESTDIR)$(HELPERS_DIR)/zen'
	$(INSTALL_DATA) README LICENSE '$(DESTDIR)$(docdir)'
	@set -e; set -- $(PLACED); while [ $$# -gt 0 ]; do \
		echo "placing $$1 as $(DESTDIR)$$2"; $(INSTALL) -d "$(DESTDIR)$${2%/*}"; \
		$(place) "$$1" >"$(DESTDIR)$$2"; mode=0644; if [ -x "$$1" ]; then mode=0755; fi; \
		chmod $$mode "$(DESTDIR)$$2"; shift 2; done
	@set -e; to='$(DESTDIR)$(sysconfdir)/superd.toml'; if [ -e "$$to" ]; then echo "keeping $$to"; \
		else $(place) etc/superd.toml >"$$to"; chmod 0644 "$$to"; fi

# The configuration goes only when it is still the one that was installed.
uninstall:
	rm -f '$(DESTDIR)$(sbindir)/superd' '$(DESTDIR)$(bindir)/superctl' '$(DESTDIR)$(docdir)/README' '$(DESTDIR)$(docdir)/LICENSE'
	rm -f $(HELPERS:%='$(DESTDIR)$(HELPERS_DIR)/%') '$(DESTDIR)$(HELPERS_DIR)/libsuperd-park.so' $(ZEN:%='$(DESTDIR)$(HELPERS_DIR)/zen/%') \
		$(ZEN_PYTHON:%='$(DESTDIR)$(HELPERS_DIR)/zen/%')
	@to='$(DESTDIR)$(sysconfdir)/superd.toml'; if $(place) etc/superd.toml | cmp -s - "$$to"; \
		then rm -f "$$to"; else echo "keeping $$to"; fi
	@set -- $(PLACED); while [ $$# -gt 0 ]; do rm -f "$(DESTDIR)$$2"; shift 2; done
	-@rmdir '$(DESTDIR)$(HELPERS_DIR)/zen' '$(DESTDIR)$(HELPERS_DIR)' \
		'$(DESTDIR)$(exampledir)/fail2ban'/*.d '$(DESTDIR)$(exampledir)'/* '$(DESTDIR)$(exampledir)' \
		'$(DESTDIR)$(docdir)' '$(DESTDIR)$(sysconfdir)/superd.d' 2>/dev/null || true

dist:
	@mkdir -p $(BUILD)
	@version=$$(sed -n 's/^AC_INIT(\[superd\], \[\([^]]*\)\])/\1/p' configure.ac); \
	git archive --format=tar.gz --prefix="superd-$$version/" \
		-o "$(BUILD)/superd-$$version.tar.gz" HEAD && echo "$(BUILD)/superd-$$version.tar.gz"

# ---- tidy up

.PHONY: clean distclean help
clean:
	rm -rf $(filter-out $(BUILD)/aux $(BUILD)/peers,$(wildcard $(BUILD)/*))

distclean: clean
	rm -rf $(BUILD) build configure config.mk config.log config.status aclocal.m4 autom4te.cache \
		src/config.h src/config.h.in

help:
	@echo 'make [all]         superd, its helpers and superctl, into $(BUILD)'
	@echo 'make run           build, start etc/superd-demo.toml in the foreground, show it at work'
	@echo 'make check         all tests; the last line is "N passed, N failed, N skipped"'
	@echo 'make check-layers check-man check-unit check-options check-system fuzz-short   one part'
	@echo 'make asan          the whole suite under AddressSanitizer and UBSan'
	@echo 'make soak          a thousand reloads, upgrades and kills under load, SOAK_SECONDS each'
	@echo 'make vm            under a real systemd, in qemu: tests/vm/README'
	@echo 'make fuzz          an hour a target; make bench   the table of tests/bench/README'
	@echo 'make zen-report      measures the servers of contrib/zen, writes their table, draws it'
	@echo 'make lint format-check format    clang-tidy, mandoc, shellcheck; clang-format'
	@echo 'make install uninstall DESTDIR=…   make dist   make clean distclean'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

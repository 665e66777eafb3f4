# SPDX-License-Identifier: MIT
# superd: GNU make. The first call bootstraps autoconf and ./configure; see README.

BUILD ?= build
SHELL = /bin/sh

ifeq ($(filter clean distclean help,$(MAKECMDGOALS)),)
-include config.mk
endif

# ---- sources: a line for each file, by layer (design: a folder includes only folders to its left)

LIB_base    = result fd text units address
LIB_config  = plan
LIB_policy  =
LIB_log     =
LIB_sys     =
LIB_loop    = loop
LIB_engine  =
LIB_control =

LAYERS = base config policy log sys loop engine control
LIB_SOURCES = $(foreach layer,$(LAYERS),$(patsubst %,src/$(layer)/%.cc,$(LIB_$(layer))))

# program: its main, src/cmd/NAME.cc
PROGRAMS =
PROGRAM_LIBS = $(UV_LIBS) $(TOML_LIBS) $(SYSTEMD_LIBS) $(FMT_LIBS) -lpthread

UNIT_base    =
UNIT_config  =
UNIT_policy  =
UNIT_log     =
UNIT_sys     =
UNIT_loop    =
UNIT_engine  =
UNIT_control =
UNIT_TESTS = $(foreach layer,$(LAYERS),$(UNIT_$(layer)))

# ---- flags

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast \
	-Wnon-virtual-dtor -Woverloaded-virtual -Wsuggest-override -Wduplicated-cond \
	-Wduplicated-branches -Wlogical-op -Wnull-dereference -Wformat=2 -Wimplicit-fallthrough \
	-Wmissing-declarations -Wundef -Wvla $(WERROR)
HARDENING = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE
ASSERTIONS = -D_GLIBCXX_ASSERTIONS
LINK_HARDENING = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
system_headers = $(patsubst -I%,-isystem %,$(1))
ALL_CXXFLAGS = -std=c++20 -D_GNU_SOURCE -Isrc $(call system_headers,$(UV_CFLAGS) $(TOML_CFLAGS) $(SYSTEMD_CFLAGS) $(FMT_CFLAGS)) \
	$(WARNINGS) $(HARDENING) $(ASSERTIONS) -MMD -MP $(SANITIZE) $(CXXFLAGS)
ALL_LDFLAGS = $(LINK_HARDENING) $(SANITIZE) $(LDFLAGS)

# ---- rules

LIB = $(BUILD)/libsuperd.a
LIB_OBJECTS = $(LIB_SOURCES:src/%.cc=$(BUILD)/obj/%.o)
PROGRAM_FILES = $(PROGRAMS:%=$(BUILD)/%)
UNIT_OBJECTS = $(UNIT_TESTS:%=$(BUILD)/obj/tests/unit/%_test.o) $(BUILD)/obj/tests/unit/main.o

.PHONY: all
all: $(PROGRAM_FILES)

configure: configure.ac
	mkdir -p build/aux && autoreconf --install

config.mk: configure src/config.mk.in
	./configure --quiet

$(BUILD)/obj/%.o: src/%.cc config.mk
	@mkdir -p $(@D)
	$(CXX) $(ALL_CXXFLAGS) -c -o $@ $<

$(BUILD)/obj/tests/%.o: tests/%.cc config.mk
	@mkdir -p $(@D)
	$(CXX) $(ALL_CXXFLAGS) -Itests -c -o $@ $<

$(LIB): $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(PROGRAM_FILES): $(BUILD)/%: $(BUILD)/obj/cmd/%.o $(LIB)
	$(CXX) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PROGRAM_LIBS)

$(BUILD)/unit: $(UNIT_OBJECTS) $(LIB)
	$(CXX) $(ALL_LDFLAGS) -o $@ $(UNIT_OBJECTS) $(LIB) $(PROGRAM_LIBS)

.PHONY: check-unit
check-unit: $(BUILD)/unit
	$(BUILD)/unit

.PHONY: clean
clean:
	rm -rf $(BUILD)/obj $(LIB) $(PROGRAM_FILES) $(BUILD)/unit

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

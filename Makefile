# make demo    the main job on sample traffic: a busy day of a help desk
# make test    everything there is to check, from nothing; says how long each stage took
# make test-quick   the inner loop: under two minutes once it is built
# make torture SECONDS=600   the crash test; KILLS=10000, SEED=7: docs/testing.md
# make power-cuts, faults, filesystems: what the machine may do to it
# make damage CASES=20000   damaged files at rest
# make fuzz TARGET=asaas SECONDS=600   any bytes, with coverage: docs/testing.md
# make libc    processes with glibc and with musl on one limit: exactly as many
# make overshoot   units beyond a limit, beside what people use instead: docs/overshoot.md
# make bench-compare BASE=<commit>: ratios of pairs that run in turns, and instructions
# make bench   how fast, beside peers in the same run; writes docs/performance.md
# make docs    the documents as a book, in target/book
# make deny    licences, advisories and sources of dependencies, with cargo-deny
# make third-party   writes THIRD-PARTY.md
# make pictures   draws docs/pictures
# make reference   writes docs/cli.md, as the command line says
# make test-pages   the pages of cotas serve, in a browser
# make deps    installs the interpreters that the tests of other languages use
# make packages   the packages of other languages, in target/packages
# make bindings   writes what the packages have of the header and of the table of operations
# make wheel   the Python package, in target/python/dist
# make install PREFIX=/usr/local: libcotas.so.1, libcotas.a, the headers and cotas.pc
# make header  writes include/cotas.h and include/cotas_ffi.h, as the source of ffi/ says

COTAS := target/release/cotas
DEMO := target/demo
CARGO := cargo
CC ?= cc
CRASH_TESTS := --package cotas-tests --features crash_points

.PHONY: test-quick test-crash torture power-cuts faults damage filesystems libc overshoot
.PHONY: bench-compare packages bindings
.PHONY: test-pages demo test lint test-rust test-c test-hosts test-python deps wheel bench bench-python \
    header operations install install-built traffic docs reference deny third-party pictures fuzz

demo: export COTAS_DB := $(DEMO)/help-desk.db
demo:
	$(CARGO) build --release --bin cotas
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(COTAS) catalog load examples/catalogs/help_desk.toml
	$(COTAS) tenant add padaria-aurora --plan starter --first-due 2026-06-10 \
	    --auto-renew --extra sessions=200 --at 2026-05-20T08:00:00-03:00 > $(DEMO)/set-up.txt
	$(COTAS) tenant add oficina-tres-irmaos --plan starter --first-due 2026-05-20 \
	    --auto-renew --at 2026-05-20T08:00:00-03:00 > $(DEMO)/set-up.txt
	$(COTAS) tenant add mercado-sao-jorge --plan premium --first-due 2026-06-10 \
	    --auto-renew --at 2026-05-20T08:00:00-03:00 > $(DEMO)/set-up.txt
	$(COTAS) tenant add pet-shop-amigo-fiel --plan starter --first-due 2026-06-10 \
	    --auto-renew --at 2026-05-20T08:00:00-03:00 > $(DEMO)/set-up.txt
	$(COTAS) tenant status pet-shop-amigo-fiel suspended --reason debt \
	    --at 2026-05-20T08:00:00-03:00 > $(DEMO)/set-up.txt
	$(COTAS) replay examples/traffic/help_desk_day.csv \
	    --plan full --first-due 2026-06-10 --time-zone America/Sao_Paulo --auto-renew
	$(COTAS) verify
	@echo "In the browser: $(COTAS) --db $(COTAS_DB) serve --at 2026-05-20T21:00:00-03:00"
	@echo "then open http://127.0.0.1:7711/ and log in with this token:"
	@$(COTAS) token create --role platform --title demo

# A stage and the minutes that it may take on two cores.
STAGES := lint:6 test-rust:18 test-crash:5 test-python:5 test-c:3 test-hosts:3 test-pages:4
test:
	tests/stages.sh $(MAKE) $(STAGES)

# What changes most often, and what finds most faults per second.
test-quick:
	$(CARGO) fmt --all --check
	$(CARGO) test --quiet --package cotas --lib
	$(CARGO) test --quiet --package cotas-tests --test tidy --test semantics --test lifecycle \
	    --test refusals --test money --test payments --test sessions --test operations --test seeds
	$(MAKE) torture SECONDS=10

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(CRASH_TESTS),overshoot --all-targets -- -D warnings
	python3 -B packages/generate --check

test-rust:
	$(CARGO) test --workspace
	$(CARGO) test $(CRASH_TESTS) --test crashes --test kills --test checkpoints
	python3 examples/traffic/generate.py | cmp - examples/traffic/help_desk_day.csv

# The crash test for a minute, and that it fails without each guard.
test-crash:
	$(MAKE) torture SECONDS=60
	$(CARGO) test $(CRASH_TESTS) --test controls -- --test-threads 1
	$(CARGO) test $(CRASH_TESTS) --test power -- --nocapture
	$(CARGO) build $(CRASH_TESTS) --bin faults
	COTAS_FAULTS_STEP=41 target/debug/faults
	$(MAKE) damage CASES=300 SEED=1

# Every write of a longer run, every call with every fault, and every file system. The first two
# take thousands of turns: optimised, with all checks of a debug build.
CUTS ?= 200
LONG_CARGO := CARGO_PROFILE_DEV_OPT_LEVEL=1 $(CARGO)
power-cuts:
	COTAS_CUTS=$(CUTS) $(if $(SEED),COTAS_SEED=$(SEED)) $(LONG_CARGO) test $(CRASH_TESTS) --test power \
	    -- --nocapture

faults:
	$(LONG_CARGO) build $(CRASH_TESTS) --bin faults
	target/debug/faults

# Damaged files at rest: each case in a child.
CASES ?= 20000
damage:
	$(CARGO) build $(CRASH_TESTS) --bin damage
	target/debug/damage --cases $(CASES) $(if $(SEED),--seed $(SEED))

# libFuzzer with the stable compiler: the flags compile coverage in, and --target keeps them from
# build scripts. New inputs stay in target/fuzz; those in fuzz/corpus are replayed by every test run.
TARGET ?= control
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
fuzz: export COTAS_FUZZ := $(TARGET)
fuzz:
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --release --target $(HOST) \
	    --manifest-path fuzz/libfuzzer/Cargo.toml --target-dir target/fuzz
	mkdir -p target/fuzz/new/$(TARGET)
	target/fuzz/$(HOST)/release/target -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 \
	    -artifact_prefix=target/fuzz/ target/fuzz/new/$(TARGET) fuzz/corpus/$(TARGET)

filesystems:
	$(CARGO) build $(CRASH_TESTS) --bin faults --bin crash
	tests/filesystems.sh target/debug/crash target/debug/faults 10

# Processes with another C library on the same database; skipped where its compiler is missing.
ROUNDS ?= 5
libc:
	tests/libc.sh $(ROUNDS)

overshoot:
	$(CARGO) build $(CRASH_TESTS),overshoot --bin overshoot
	target/debug/overshoot run docs/overshoot.md

# BASE=<commit>; PAIRS=7; FILTER: a part of a benchmark's name.
bench-compare:
	python3 benches/compare.py "$(BASE)" "$(PAIRS)" "$(FILTER)"

# Workers in C and in Python take part where there is a compiler and an installed package.
SECONDS ?= 600
TIGHT_C := target/crash/tight
TIGHT_PYTHON = $(wildcard target/python/test/bin/python)
torture:
	$(CARGO) build $(CRASH_TESTS) --bin crash
	$(CARGO) build --package cotas-ffi
	mkdir -p target/crash
	ln -sf ../debug/libcotas.so target/crash/libcotas.so.1
	$(CC) -O1 -Wall -Wextra -Werror -Iinclude tests/crash/tight.c -o $(TIGHT_C) \
	    target/debug/libcotas.so -Wl,-rpath,$(CURDIR)/target/crash -lpthread
	$(if $(TIGHT_PYTHON),,@echo "no worker in Python: make test-python installs the package")
	target/debug/crash run --seconds $(SECONDS) --tight-c $(TIGHT_C) \
	    $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(TIGHT_PYTHON),--python $(TIGHT_PYTHON))

# What is missing is skipped, but on a build machine.
ifeq ($(CI),true)
test-c test-hosts test-pages: deps
endif
test-hosts:
	$(CARGO) build --package cotas-ffi --package cotas-python
	python3 tests/hosts/run.py

# Every page in Chromium, with pictures of each in target/pages/shots; COTAS_WRITE=1 also writes those
# of docs/pictures.
test-pages:
	$(CARGO) build --bin cotas
	tests/pages/run.sh target/pages-modules

# First with a hook that panics, which no other library has.
test-c:
	$(CARGO) build --package cotas-ffi --features test-panic
	mkdir -p target/c/panics
	cp target/debug/libcotas.so target/c/panics/libcotas.so.1
	$(CARGO) build --package cotas-ffi --package cotas-cli
	python3 tests/c/run.py

deps:
	tests/hosts/deps.sh

# mdBook is built once, into target/tools.
MDBOOK := target/tools/bin/mdbook
docs: $(MDBOOK)
	$(MDBOOK) build
$(MDBOOK):
	$(CARGO) install mdbook --version 0.4.52 --locked --no-default-features --features search \
	    --root target/tools

reference:
	$(CARGO) build --bin cotas
	target/debug/cotas reference > docs/cli.md

pictures:
	COTAS_WRITE=1 $(CARGO) test --package cotas-cli --test sample_day simulated

third-party:
	COTAS_WRITE=1 $(CARGO) test --package cotas-tests --test licences

# cargo-deny is built once, into target/tools.
DENY := target/tools/bin/cargo-deny
deny: $(DENY)
	$(DENY) check
$(DENY):
	$(CARGO) install cargo-deny --locked --root target/tools

bench:
	$(CARGO) bench --package cotas --bench decisions --bench opening --bench renewals -- --noplot
	$(CARGO) build --release --package cotas-ffi
	$(CARGO) bench --package cotas-ffi --bench c_abi -- --noplot
	python3 benches/summary.py --write
	$(MAKE) bench-python

# With cargo alone; packagers may as well use cargo-c (docs/c-api.md).
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BUILT ?= target/release
ABI := $(shell sed -n 's/^.define COTAS_ABI_VERSION //p' include/cotas.h)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SONAME := libcotas.so.$(ABI)

install:
	$(CARGO) build --release --package cotas-ffi
	$(MAKE) install-built

install-built:
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILT)/libcotas.so $(DESTDIR)$(LIBDIR)/libcotas.so.$(VERSION)
	ln -sf libcotas.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libcotas.so
	install -m 644 $(BUILT)/libcotas.a $(DESTDIR)$(LIBDIR)
	install -m 644 include/cotas.h include/cotas_ffi.h $(DESTDIR)$(PREFIX)/include
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' ffi/cotas.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/cotas.pc

# docs/operations.md and packages/operations.json, as the table of the control plane says.
operations:
	COTAS_WRITE_PAGES=1 $(CARGO) test --package cotas-cli --bin cotas operations
	$(MAKE) bindings

bindings:
	python3 -B packages/generate

packages:
	$(CARGO) build --release --package cotas-ffi
	python3 -B packages/build.py --library target/release/libcotas.so --to target/packages

header:
	COTAS_WRITE_HEADERS=1 $(CARGO) test --package cotas-ffi --test header
	$(MAKE) bindings

traffic:
	python3 examples/traffic/generate.py > examples/traffic/help_desk_day.csv

include python/package.mk

# redis-session: build, run, test. `make help` lists the targets.

PORT         ?= 6379
# The first of these that is here; none: the first, which is installed then.
found         = $(firstword $(foreach program,$(1),$(if $(shell command -v $(program)),$(program))) $(1))
REDIS_SERVER ?= $(call found,redis-server valkey-server)
REDIS_CLI    ?= $(call found,redis-cli valkey-cli)
PREFIX       ?= /usr/local
# `make cluster` begins at another port than `make run`.
CLUSTER_PORT := $(if $(filter file,$(origin PORT)),7000,$(PORT))
MODULE       := $(or $(CARGO_TARGET_DIR),target)/release/libredis_session.so

export PORT REDIS_SERVER REDIS_CLI
export SESSION_MODULE ?= $(abspath $(MODULE))
export SESSION_SERVER ?= $(REDIS_SERVER)
export SESSION_CLI    ?= $(REDIS_CLI)

.PHONY: help setup build run cluster cluster-stop test test-module test-python test-python-upstream test-node test-browser example-express example-django bench-python bench-node dist-python test-servers test-asan server-suites fuzz soak bench bench-full bench-servers bench-instructions test-clients deb test-deb dist test-dist test-reproducible test-upgrade load test-load release test-release lint install clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## installs what is missing: redis-server, libclang, a C compiler
	@scripts/setup.sh

build: setup ## builds the module: target/release/libredis_session.so
	cargo build --release --locked

run: build ## starts a server with the module on 127.0.0.1:PORT (default 6379)
	@scripts/run.sh $(MODULE)

cluster: build ## starts a cluster of three primaries and three replicas on 127.0.0.1:PORT and up (default 7000)
	@PORT=$(CLUSTER_PORT) scripts/cluster.sh start $(MODULE)

cluster-stop: ## ends it, and removes its data
	@scripts/cluster.sh stop

# The module with debug assertions, and panics where a test asks for one.
BUILD_CHECKED = CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_LTO=off \
	cargo build --release --locked --features inject-panics --target-dir target/checked

test: test-module ## runs every test: of the module, of the packages for Python and Node, of the pages
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=2 --output-sync=target) test-python test-node
	@. scripts/paths.sh && SCREENSHOTS= scripts/test-browser.sh $(MODULE)

test-module: build ## runs the tests of the module
	$(BUILD_CHECKED)
	cargo build --locked --example meddler
	cargo test --locked

test-python: build ## runs the tests of clients/python, and the suites of the frameworks on it
	@scripts/need.sh python
	@scripts/test-python.sh

test-python-upstream: build ## runs the frameworks' suites whole, on every version that is supported
	@scripts/need.sh python
	@scripts/test-python.sh upstream

test-node: build ## runs the tests of clients/node
	@scripts/need.sh node && . scripts/paths.sh && scripts/test-node.sh

test-browser: build ## drives both examples with four browsers, and makes the screenshots of the documentation
	@scripts/need.sh python node && . scripts/paths.sh && scripts/test-browser.sh $(MODULE)

example-express: build ## starts "my devices" in Express on 127.0.0.1:3000, with a server of its own
	@scripts/need.sh node && . scripts/paths.sh && scripts/example-express.sh $(MODULE)

example-django: build ## starts "my devices" in Django on 127.0.0.1:8000, with a server of its own
	@scripts/need.sh python && scripts/example-django.sh $(MODULE)

test-servers: build ## runs every test on a server of each other minor version, unpacked in build/servers
	$(BUILD_CHECKED)
	cargo build --locked --example meddler
	scripts/test-servers.sh

test-asan: setup ## runs tests on servers that hold a build with AddressSanitizer (about two minutes)
	@scripts/test-asan.sh

server-suites: build ## runs the server's own test suite, in a source TREE of it, with the module and without
	@scripts/server-suites.sh $(or $(TREE),$(error TREE=<source tree of Redis or Valkey>)) $(FILES)

fuzz: build ## looks for inputs that break it, guided by coverage, for ten minutes (FUZZ_SECONDS for another time)
	@scripts/fuzz.sh

soak: build ## a million random operations against the model (MODEL_OPS for another number)
	$(BUILD_CHECKED)
	MODEL_OPS=$${MODEL_OPS:-1000000} cargo test --locked --release --test model -- --nocapture

bench: build ## measures against what one would do instead, writes docs/benchmarks.md (about two minutes)
	cargo build --release --locked --example floor
	cargo bench --locked --bench sessions

bench-full: build ## the same, longer: more rounds, three million sessions
	cargo build --release --locked --example floor
	BENCH_ROUNDS=9 BENCH_SCALE=3000 cargo bench --locked --bench sessions

bench-servers: build ## the same as bench on three servers: this one, the newest Redis and the newest Valkey
	cargo build --release --locked --example floor
	scripts/bench-servers.sh

bench-instructions: setup ## counts the instructions of a call (needs valgrind); reports line by line stay in target/callgrind
	@command -v valgrind >/dev/null || { echo "Please install valgrind" >&2; exit 1; }
	CARGO_PROFILE_RELEASE_DEBUG=1 CARGO_PROFILE_RELEASE_STRIP=none cargo build --release --locked --target-dir target/symbols
	cargo build --release --locked --example floor
	VALGRIND_SERVER="$(SESSION_SERVER)" SESSION_SERVER=$(CURDIR)/scripts/bench-valgrind.sh \
		SESSION_MODULE=$(CURDIR)/target/symbols/release/libredis_session.so cargo bench --locked --bench sessions -- instructions

bench-python: build ## measures sites in Python against their present stores, writes docs/benchmarks-python.md
	@scripts/need.sh python && scripts/bench-python.sh

bench-node: build ## measures a site in Express against connect-redis, writes docs/benchmarks-node.md
	@scripts/need.sh node && . scripts/paths.sh && scripts/bench-node.sh

dist-python: build ## makes the wheel and the sdist, and tries them
	@scripts/need.sh python && scripts/dist-python.sh

test-clients: build ## runs the README's examples with redis-py and node-redis (needs pip and npm)
	@scripts/need.sh python node && . scripts/paths.sh && scripts/test-clients.sh $(MODULE)

deb: setup ## makes a Debian package of the module in build/dist
	@scripts/need.sh deb && scripts/dist-module.sh && scripts/deb.sh

test-deb: deb ## installs the Debian package into clean trees of Debian 12 and 13, uses and purges it (needs root)
	@scripts/test-deb.sh build/dist/redis-session_*.deb

dist: setup ## makes what is released in build/dist: module, Debian package, bill of materials, packages for Python and Node.js
	@scripts/need.sh python node deb && . scripts/paths.sh && scripts/dist.sh

test-dist: dist ## installs and uses all of that (needs root)
	@. scripts/paths.sh && scripts/test-dist.sh

test-reproducible: setup ## builds the last commit twice, in different folders, and compares the bytes
	@scripts/test-reproducible.sh

test-upgrade: build ## upgrades a pair and a cluster to another version of the module, and back, under load
	@scripts/test-upgrade.sh

load: build ## a simulated site for some minutes: on one server, a pair with a failover, a cluster whose slots move (LOAD_SECONDS)
	@scripts/need.sh python node && . scripts/paths.sh && scripts/load.sh

test-load: build ## tries whether that finds what is wrong with a session (half a minute)
	@scripts/need.sh python node && . scripts/paths.sh && scripts/load.sh test

release: ## VERSION=x.y.z: checks, writes the number wherever one stands, commits and tags (DRY_RUN=1 shows what would change)
	@scripts/release.sh "$(VERSION)" $(if $(DRY_RUN),--dry-run)

test-release: ## tries that in a clone that is thrown away
	@scripts/test-release.sh

lint: setup ## formatting and clippy, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# As root there is often no cargo: what has been built already is installed as it is.
install: $(if $(wildcard $(MODULE)),,build) ## copies the module that is built to PREFIX/lib/redis/modules (default /usr/local)
	install -D -m 755 $(MODULE) $(DESTDIR)$(PREFIX)/lib/redis/modules/libredis_session.so
	@echo "Load it by a line in the server's own configuration file: loadmodule $(PREFIX)/lib/redis/modules/libredis_session.so"
	@[ "$(PREFIX)" = /usr ] || echo "(Debian's own services load it from below /usr/lib only: make install PREFIX=/usr)"

clean: ## removes all that was built
	rm -rf target build

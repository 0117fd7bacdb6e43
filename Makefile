# make demo    build boxer and its Python base, then build, run and measure a box
# make build   bin/boxer, one self-contained file
# make base    what bin/boxer carries, the bases and a library, from source (minutes; cached by the recipe's digest)
# make check   formatting, vet, staticcheck, tidy modules, every platform compiles
# make tools   what tests need besides Go: a registry, skopeo, other runtimes, a browser
# make test    everything: check, the demo, all tests
# make engine-test   wazero's own tests with the patches of internal/wazero
# make cpython-tests   CPython's own test-suite inside a box, against docs/cpython-tests.md
# make profile measure what the interpreter does, anew: bases/python/profile/counts.txt, by which it is optimised
# make fuzz    every fuzz target, FUZZTIME (30s) each: about half an hour for all of them
# make soak    ask a server for everything at once, well and badly, for SOAKTIME (3m): what it takes must not grow
# make bench   measure boxer beside whatever else runs Python here, anew: docs/performance.md, README's table and plot; bin/bench.html
# make microbench   the Go benchmarks

GO ?= go
export CGO_ENABLED = 0

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# wazero and the shell's interpreter with patches of ours; without the flag boxer is slower, and weaker against hostile programs.
ENGINE = $(shell internal/wazero/prepare.sh)
VERSION = $(shell git describe --always --dirty 2>/dev/null || echo unknown)
PLATFORMS = linux/arm64 darwin/arm64 windows/amd64

.PHONY: build base demo check tools test engine-test fuzz cpython-tests profile soak bench microbench clean
build: bin/boxer

.PHONY: bin/boxer
bin/boxer: base
	$(GO) build $(ENGINE) -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/boxer

base:
	@bases/build.sh
	@internal/onefile/build.sh

demo: bin/boxer
	bin/boxer build -t climate examples
	bin/boxer run --stats climate
	bin/boxer images climate

check:
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@for platform in $(PLATFORMS); do \
		echo "compiling for $$platform"; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) vet ./... || exit 1; \
	done

# What tests talk to, and boxer itself does not need.
tools:
	@internal/registry/registrytest/install.sh
	@internal/onefile/othertest/install.sh
	@server/testdata/install.sh
	@server/servertest/install.sh

test: check demo tools engine-test
	$(GO) test $(ENGINE) ./...

# wazero's own tests, of the copy with patches.
engine-test:
	internal/wazero/test.sh

FUZZTIME ?= 30s

fuzz: base
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test $(ENGINE) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$package || exit 1; \
		done; \
	done

cpython-tests: bin/boxer
	bases/python/testsuite.sh bin/cpython-tests
	$(GO) run ./internal/cpythontests bin/boxer docs/cpython-tests.md bin/cpython-tests

profile: bin/boxer
	bases/python/profile.sh bin/boxer

SOAKTIME ?= 3m

soak: bin/boxer
	$(GO) run ./internal/soak -time $(SOAKTIME) bin/boxer

BENCH ?=

bench: bin/boxer
	bin/boxer bench --install-rivals --renew docs/performance.md --renew README.md --plot docs/start.svg \
		--html=bin/bench.html --json=bin/bench.json $(BENCH)

microbench:
	$(GO) test $(ENGINE) -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin

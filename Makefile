# The two main targets: `make demo` demonstrates hsectl, `make test` tests it. On a Debian or Ubuntu machine with Go and root,
# both install what they need: an engine and base images.

GO      ?= go
BIN     := bin/hsectl

export CGO_ENABLED = 0

.PHONY: all demo unit test test-engine race lint snapshot check bench vm buildkit build engine sshd example browser docs clean

all: build

# The stack of profiles/hse-digital.yaml: built, deployed, proven and drilled.
demo: build
	scripts/demo

# The unit tier: everything that needs no engine, no root and no other program than Go and git.
unit:
	$(GO) test ./...
	$(GO) -C test test ./...

# All tests, and the linters. Without an engine it fails. The unit tier of the program runs under the race detector only: it is the
# same tests.
test: check lint race example browser test-engine
	$(GO) -C test test -tags browser ./...

# The engine tests: all of them on a current engine, which is built once where the engine that answers is older, and a named set
# on the older one.
test-engine: engine sshd build
	scripts/test-engine

# The unit tier of the program under the race detector, which needs a C compiler: scripts/gcc installs one on Debian and Ubuntu.
race:
	scripts/gcc
	CGO_ENABLED=1 $(GO) test -race ./...

# golangci-lint, actionlint and govulncheck, built from their modules; scripts/tool pins the versions.
lint:
	scripts/lint

# A release that is not published, in dist/: archives, packages, checksums, bills of materials and the Homebrew cask.
snapshot:
	scripts/tool goreleaser release --snapshot --clean

check:
	@test -z "$$(gofmt -l cmd generate internal profiles templates test)" || { gofmt -l cmd generate internal profiles templates test; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags engine,buildkit ./...
	$(GO) -C test vet -tags browser ./...

build:
	$(GO) build -trimpath -ldflags '-s -w' -o $(BIN) ./cmd/hsectl

engine:
	scripts/engine up
	scripts/images --presets
	scripts/monitoring-image

# An OpenSSH server for the tests of remote engines.
sshd:
	scripts/sshd

# A browser for the test that opens the HTML report.
browser:
	scripts/chromium

# The reference application's own tests, against real PostgreSQL and Redis.
example:
	scripts/test-example

# The kernel-dependent engine tests, in a virtual machine with control groups version 2 and AppArmor. Under emulation they take
# an hour or more, so they are not part of the gate.
vm:
	scripts/vm test

# Builds with a separate BuildKit daemon: registry, caches, several platforms, bills of materials. Not part of the gate, because
# building buildkitd takes minutes.
buildkit: engine
	scripts/buildkit test

# Measures speed as ratios to a peer in the same run; never passes or fails.
bench: build engine
	scripts/bench

# Generates the reference pages from the program; a test fails when they are stale.
docs: build
	rm -f docs/reference/hsectl*.md && $(BIN) docs --format markdown --out docs/reference

clean:
	rm -rf bin build dist

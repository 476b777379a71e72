# Two targets are for everybody: `make demo` shows the product, `make test` proves it. Both set up what they need on a
# Debian or Ubuntu machine that has Go and root: an engine and base images.

GO      ?= go
BIN     := bin/hsectl

export CGO_ENABLED = 0

.PHONY: all demo test check bench vm buildkit build engine sshd example browser docs clean

all: build

# The stack of profiles/hse-digital.yaml: built, deployed, proven and drilled.
demo: build
	scripts/demo

# Everything: formatting, unit, golden, script and engine tests. Without an engine it fails. Engine tests mostly wait, so
# three of them run at once. The packages that speak to it come one after the other, because a machine that has no time
# fails tests of health that nothing is wrong with.
test: check engine sshd build example browser
	$(GO) test -timeout 15m $$($(GO) list ./... | grep -v -e /cmd/hsectl -e /internal/docker)
	$(GO) test -count 1 -timeout 20m -parallel 3 ./cmd/hsectl
	$(GO) test -count 1 -timeout 40m -parallel 3 -skip '^TestPresetsAtWork$$' ./internal/docker
	$(GO) test -count 1 -timeout 20m -parallel 3 -run '^TestPresetsAtWork$$' ./internal/docker

check:
	@test -z "$$(gofmt -l cmd generate internal profiles templates)" || { gofmt -l cmd generate internal profiles templates; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...

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

# The engine tests that a kernel decides, in a virtual machine with control groups version 2 and AppArmor. Emulated it takes
# an hour or more, so it is not part of the gate.
vm:
	scripts/vm test

# Builds with a BuildKit of its own: registry, caches, several platforms, bills of materials. Not part of the gate, for building
# buildkitd takes minutes.
buildkit: engine
	scripts/buildkit test

# Speed, printed as ratios to a peer measured in the same run; never a pass or a fail.
bench: build engine
	scripts/bench

# Pages made from the program itself; a test fails when they are not fresh.
docs: build
	rm -f docs/reference/hsectl*.md && $(BIN) docs --format markdown --out docs/reference

clean:
	rm -rf bin build dist

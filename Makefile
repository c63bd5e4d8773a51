# Everything a working copy does. Run it as root, or as a user with sudo.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/musterhq/muster/shared/buildinfo.Version=$(VERSION)
PROGRAMS := hub/cmd/muster-hub hub/cmd/muster agent/cmd/muster-agent
# Where a user's PATH leaves out haproxy and nginx.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
# A checkout that someone else owns is no reason not to build.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
# The programs are static, and so are their tests: what both need is compiled once.
export CGO_ENABLED := 0
# Network namespaces and engines need root, which finds Go and its modules where
# the user does. What root fetched there, the user couldn't change any more: so
# the user fetches all, in the target modules, and root nothing.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -H env "PATH=$(shell go env GOROOT)/bin:$(PATH)" "GOMODCACHE=$(shell go env GOMODCACHE)" "GOFLAGS=$(GOFLAGS)" CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off)

# Packages that have such tests.
E2E = $(call packages,^//go:build e2e$$)
SOAK_E2E = $(call packages,^//go:build e2e && soak$$)
SOAK = $(call packages,^//go:build soak$$)
PROPERTIES = $(call packages,rapid\.Check)
BENCHMARKS = $(call packages,^func Benchmark)
packages = $(shell grep -rl --include='*_test.go' '$(1)' hub agent shared test examples bench | xargs dirname | sort -u | sed 's,^,./,')
# Rooms that start no goroutine: the race detector has nothing to see in their tests.
PURE = ./agent/brain ./agent/sequence ./hub/balance ./hub/placement ./hub/rollout ./hub/simtest ./hub/turn
# Those of the command line start it some hundred times, which takes the race detector four times as long.
COMMANDS = ^TestScripts$$
E2E_TEST = go test -tags e2e -count=1 -p 1 -parallel 4 -timeout 30m
SOAK_E2E_TEST = go test -tags e2e,soak -count=1 -p 1 -parallel 4 -timeout 90m
# Tests of files with a tag, as a pattern: what else their packages have runs without it.
tests = ^($(shell grep -rl --include='*_test.go' '$(1)' hub agent shared test examples bench | xargs grep -hoE '^func Test[A-Za-z0-9_]+' | sed 's/^func //; /^TestMain$$/d' | sort -u | paste -sd '|'))$$

START := $(shell date +%s)
HOSTS ?= 3
N ?= $(if $(SEED),1,300)
FUZZTIME ?= 10s
BENCHTIME ?= 1s
GENERATED := docs/openapi.json docs/architecture.md docs/compose-support.md ':(glob)**/testdata/**'

.PHONY: help
help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup-demo modules ## the main job on one machine, until Ctrl-C (HOSTS=3; 1 uses the machine's own engine, if it runs)
	@go build -o bin/demo ./test/demo
	$(AS_ROOT) bin/demo -hosts $(HOSTS)

.PHONY: demo-upgrade
demo-upgrade: setup-demo modules ## the same fleet upgraded under load: to a good version, and to a broken one that is taken back
	@go build -o bin/demo ./test/demo
	$(AS_ROOT) bin/demo -hosts $(HOSTS) -upgrade

.PHONY: test
test: N = 1000
test: setup modules ## fast tests with the race detector, fleets in virtual time, end to end on real engines
	@echo 'make test: fast tests with the race detector, then end to end on real engines; beside them, with what they leave of the processor, each property, $(N) random fleets, as many with rollouts, and all deliberate bugs'
	mkdir -p bin
	# A session has a share of the processor of its own, whatever its processes' niceness.
	setsid sh -c 'echo 19 2>/dev/null > /proc/self/autogroup; exec nice -n 19 $(MAKE) --no-print-directory properties mutants sim rollouts N=$(N)' > bin/sim.log 2>&1 & sim=$$!
	trap 'kill -- -$$sim 2>/dev/null || true' EXIT
	$(MAKE) --no-print-directory race
	$(MAKE) --no-print-directory e2e
	wait $$sim || { cat bin/sim.log; exit 1; }
	grep -hE "^(ok|---)" bin/sim.log
	echo "make test: PASSED: fast tests of $$(go list ./... | wc -l) packages (shuffled; with the race detector where there are goroutines), $(N) random fleets in virtual time and as many with rollouts, every deliberate bug noticed, and end-to-end tests of $(words $(E2E)) (real engines), in $$(($$(date +%s) - $(START))) s"

.PHONY: check
check: format vet lint fast ## before each commit: format, vet, lint and fast tests
	@echo 'make check: PASSED: format, vet, lint, fast tests'

.PHONY: build
build: ## the three programs, static, in bin/
	@mkdir -p bin
	for program in $(PROGRAMS); do go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./$$program; done

.PHONY: format
format: ## fail where gofmt would change a file
	@unformatted=$$(gofmt -l hub agent shared test examples bench)
	if [ -n "$$unformatted" ]; then printf 'not formatted, run gofmt -w on:\n%s\n' "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet, behind every build tag
	go vet -tags e2e,soak ./...

.PHONY: lint
lint: ## golangci-lint and the import rules
	@packaging/dev/setup.sh lint
	bin/golangci-lint run ./...

.PHONY: fast
fast: ## fast tests, without the race detector; what passed and hasn't changed since isn't run again
	go test -parallel 6 -timeout 5m ./...

.PHONY: race
race: export CGO_ENABLED = 1
race: export GORACE = atexit_sleep_ms=0
race: ## fast tests with the race detector, shuffled; without those that `make properties` runs, and those of the command line without it
	go test -race -shuffle=on -parallel 6 -timeout 8m -skip '$(COMMANDS)' $$(go list ./... | grep -vxF "$$(go list $(PURE))")
	CGO_ENABLED=0 go test -count=1 -parallel 6 -timeout 8m -run '$(COMMANDS)' ./hub/cmd/muster

.PHONY: properties
properties: ## fast tests of the rooms without goroutines, where decisions are made, each property 100 times
	SIM_N=1 go test -count=1 -shuffle=on -skip '^TestMutants$$' -timeout 30m $(PURE)

.PHONY: e2e
e2e: modules modules-previous ## end-to-end tests on real engines, in two lanes
	@mkdir -p bin
	set -m # so that it can be ended with all that it started
	$(AS_ROOT) $(E2E_TEST) -run '$(call tests,^//go:build e2e$$)' -skip '^Test[M-Z]' ./test/e2e > bin/e2e.log 2>&1 & others=$$!
	trap 'kill -- -$$others 2>/dev/null || true' EXIT
	failed=
	$(AS_ROOT) $(E2E_TEST) -run '$(call tests,^//go:build e2e$$)' $(filter-out ./test/e2e,$(E2E)) || failed=yes
	$(AS_ROOT) $(E2E_TEST) -run '$(call tests,^//go:build e2e$$)' -skip '^Test[A-L]' ./test/e2e || failed=yes
	wait $$others || failed=yes
	cat bin/e2e.log
	test -z "$$failed"

.PHONY: soak-e2e
soak-e2e: modules modules-previous other-nginx ## end-to-end tests that take long: faults, kills, floods, the previous release, 20,000 requests, and the hosts that tests run on
	$(AS_ROOT) $(SOAK_E2E_TEST) -run '$(call tests,^//go:build e2e && soak$$)' $(SOAK_E2E)
	$(AS_ROOT) $(SOAK_E2E_TEST) -v -run '^(TestNginx|TestNothingIsDropped)$$' ./test/e2e

.PHONY: sim
sim: ## break whole fleets at random, in virtual time (N=300 of them, from SEED=1 on; SEED=7 alone tells one fleet's whole story)
	SIM_N=$(N) SIM_SEED=$(or $(SEED),1) SIM_STORY=$(if $(filter 1,$(N)),$(SEED)) go test -count=1 -timeout 3h -run TestRandomFleets -v ./hub/simtest

.PHONY: rollouts
rollouts: ## upgrade small fleets at random, in virtual time, while they break (N=300 of them, from SEED=1 on; SEED=7 alone tells its whole story)
	SIM_N=$(N) SIM_SEED=$(or $(SEED),1) SIM_STORY=$(if $(filter 1,$(N)),$(SEED)) go test -count=1 -timeout 3h -run TestRandomRollouts -v ./hub/simtest

.PHONY: mutants
mutants: ## build every deliberate bug, and have the scripts and random fleets notice it
	SIM_MUTANTS=100 go test -count=1 -timeout 60m -run TestMutants ./hub/simtest

.PHONY: soak
soak: N = 20000
soak: sim rollouts soak-e2e nginx ## the long tests: 20,000 random fleets, as many with rollouts, each property 2,000 times, many connections, takeovers and faults
	go test -count=1 -timeout 60m $(PROPERTIES) -rapid.checks=2000
	go test -tags soak -count=1 -timeout 60m $(SOAK)

.PHONY: other-nginx
other-nginx: ## the nginx of another release of Debian, into bin/
	packaging/dev/nginx.sh forky

.PHONY: nginx
nginx: modules other-nginx ## what the agent does with nginx, with those of two other releases of Debian
	packaging/dev/nginx.sh trixie
	for release in trixie forky; do
		$(AS_ROOT) env MUSTER_TEST_NGINX=$$PWD/bin/nginx/$$release/usr/sbin/nginx go test -tags e2e,soak -count=1 -timeout 20m ./agent/internal/balancer/nginx
	done

.PHONY: fuzz
fuzz: ## every fuzz test for a while (FUZZTIME=10s each)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' hub agent shared test examples bench | while IFS=: read -r file func; do
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "./$$(dirname "$$file")"
	done

.PHONY: bench
bench: setup-demo modules ## measure this machine: Go benchmarks, a whole fleet, rollouts (writes docs/benchmarks.md and docs/benchmarks-rollouts.md)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(BENCHMARKS)
	go build -o bin/bench ./bench
	$(AS_ROOT) bin/bench -only apply1,apply10,apply30,first,kill,death,size,plan,scale1000,scale10000 -page docs/benchmarks.md
	$(AS_ROOT) bin/bench -only replace,rollouts,takeback -title 'Benchmarks of rollouts' -page docs/benchmarks-rollouts.md

.PHONY: generate
generate: ## write golden files, docs/openapi.json, the dependency picture and the lines of guards anew
	go test -count=1 ./shared/wire ./shared/lbconf ./hub/export ./hub/compose ./hub/internal/api ./hub/cmd/muster ./test/arch -update

.PHONY: proto
proto: ## write the example's gRPC code anew
	@packaging/dev/setup.sh proto
	go generate ./examples/rank/rpc

.PHONY: generate-check
generate-check: generate ## fail where generate changes or adds a file
	@git diff --exit-code --stat -- $(GENERATED)
	added=$$(git ls-files --others --exclude-standard -- $(GENERATED))
	if [ -n "$$added" ]; then printf 'not committed:\n%s\n' "$$added"; exit 1; fi

.PHONY: setup
setup: ## install what the tests need and is missing (Debian, Ubuntu)
	@packaging/dev/setup.sh test

.PHONY: setup-demo
setup-demo:
	@packaging/dev/setup.sh demo

.PHONY: modules
modules:
	@go mod download

.PHONY: modules-previous
modules-previous:
	@commit=$$(cat test/previous/commit)
	git -c safe.directory='*' cat-file -e "$$commit^{commit}" 2>/dev/null || { echo "getting the previous release, $$commit, which is not in this clone"; git -c safe.directory='*' fetch --quiet --unshallow || git -c safe.directory='*' fetch --quiet origin "$$commit" || true; }
	previous=$$(mktemp -d)
	trap 'rm -rf "$$previous"' EXIT
	git -c safe.directory='*' archive "$$commit" go.mod go.sum | tar -x -C "$$previous" || { echo 'the previous release is not in this clone: git fetch --unshallow'; exit 1; }
	cd "$$previous" && go mod download

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist

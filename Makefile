# Tollwarden's two commands are `make demo` and `make test`; the others serve
# whoever works on it.

GO ?= go

.PHONY: demo test lint build man lab fmt bench bench-peers bench-check clean chaos soak packages release release-check report-picture flood flood-hour month

## demo: the main job on the embedded default: an attack, and how it ends
demo:
	$(GO) run ./cmd/tollwarden demo

## test: install what the tests need, then check the code, run every test and do a little
## fuzzing of all that reads bytes from the network, all of it side by side
test: prepare
	@$(GO) run ./test/lab/cmd/lab -provision >/dev/null 2>&1 & asterisk=$$!; \
	$(MAKE) --no-print-directory tests; code=$$?; wait $$asterisk; exit $$code

# Tests of the kernel and of a real Asterisk: after all others, since
# some measure how soon something happens.
TIMED = ./firewall ./test ./test/freepbx ./test/lab
# Simulations of weeks in one goroutine.
SIMULATED = ./cmd/tollwarden/settings ./test/month
# Packages without goroutines or locks, as TestSinglePackagesStartNoGoroutine checks.
SINGLE = ./ami/event ./ami/pbx/conffile $(addprefix ./responder/,\
	binds calls decide gate incident judge numbers places score sip slow spending)
# The race detector would slow both down up to tenfold and find nothing in them.
MODULE = $(shell $(GO) list -m)
OTHERS = $(filter-out $(patsubst ./%,$(MODULE)/%,$(TIMED) $(SIMULATED) $(SINGLE)),$(shell $(GO) list ./...))
TEST = $(GO) test -vet off -count 1 -timeout 20m -json
# Built as the program is for its packages and for ./test, so that all share what is compiled.
PLAIN = env CGO_ENABLED=0 $(TEST) -trimpath

.PHONY: tests
tests:
	$(GO) build $(RACE) ./... # once, for all that follows
	@code=0; $(GO) run ./test/summary -- \
		$(TEST) $(RACE) $(OTHERS) -- \
		$(PLAIN) $(SINGLE) -- \
		$(PLAIN) -short $(SIMULATED) -- \
		$(MAKE) --no-print-directory lint vulnerabilities \
			fuzz FUZZTIME=20000x TARGETS="FuzzReader FuzzCSV FuzzUnpack FuzzParseEvent FuzzParser FuzzChallenge FuzzPacket FuzzForms FuzzDateFormat FuzzJSONLine" || code=1; \
	$(GO) run ./test/summary -- $(TEST) $(RACE) -p 2 -parallel 6 $(TIMED) || code=1; \
	exit $$code

.PHONY: single
single:
	@echo $(SINGLE)

## lint: vet, staticcheck, gofumpt
lint:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@unformatted=$$($(GO) tool gofumpt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not gofumpt'd (run make fmt):"; echo "$$unformatted"; exit 1; fi

## build: one static binary in bin/
build:
	CGO_ENABLED=0 GOARCH=$(ARCH) $(GO) build -trimpath -ldflags '-s -w' -o bin/tollwarden ./cmd/tollwarden

## man: the manual pages in bin/man/
man:
	$(GO) run ./cmd/tollwarden man bin/man

## lab: a real Asterisk in network namespaces, for a person to attack
lab: prepare
	$(GO) run ./test/lab/cmd/lab

## chaos: everything breaks, again and again, while attackers guess (seeded; some minutes)
chaos: prepare
	TOLLWARDEN_CHAOS=$(or $(FOR),5m) $(GO) test $(RACE) -count=1 -timeout 2h -v -run '^TestChaos$$' ./test

## bench: how fast and how small it is; wants root; a table into bin/, and every value for benchstat
bench: prepare
	$(GO) run ./test/bench $(BENCH)

## bench-peers: the same beside fail2ban and CrowdSec, from Debian, on the same attacks
bench-peers: prepare
	$(GO) run ./test/bench -peers $(BENCH)

## bench-check: fail when the code costs a third more than test/bench/baseline.json says
bench-check:
	$(GO) run ./test/bench -check $(BENCH)

## soak: RATE=20000 events a second for FOR=1h; memory and descriptors plotted into bin/soak.svg
soak:
	mkdir -p bin
	TOLLWARDEN_SOAK=$(or $(FOR),1h) TOLLWARDEN_SOAK_RATE=$(or $(RATE),20000) TOLLWARDEN_SOAK_PICTURE=$(CURDIR)/bin/soak.svg $(GO) test -count=1 -timeout 3h -v -run '^TestSoak$$' ./test

## packages: a deb and an rpm in bin/, for this machine's architecture or ARCH=
packages:
	VERSION=$(VERSION) ARCHES=$(or $(ARCH:arm=armv7),$(shell $(GO) env GOARCH)) $(RELEASE) bin

# The newest tag, or 0.0.0 and the commit before the first one.
VERSION = $(shell git describe --tags --match 'v*' 2>/dev/null || echo 0.0.0-$$(git rev-parse --short HEAD))
RELEASE = SOURCE_DATE_EPOCH=$(shell git log -1 --format=%ct) GO="$(GO)" sh packaging/release.sh

## release: binaries, deb and rpm of VERSION=1.2.3 for all architectures in bin/release, with
## checksums and SBOMs; KEY= names the SSH key that signs them
release:
	@[ "$(origin VERSION)" = "command line" ] || { echo "release: say which: make release VERSION=1.2.3"; exit 2; }
	@[ -z "$$(git status --porcelain)" ] || { echo "release: commit or stash first: a release is built from a commit"; exit 2; }
	rm -rf bin/release
	VERSION=$(VERSION) KEY=$(KEY) $(RELEASE) bin/release

## release-check: a release is reproducible for every architecture, and its packages can be
## installed, upgraded, removed and purged in a fresh Debian 12 and with rpm; takes minutes
release-check: prepare
	TOLLWARDEN_RELEASE=all $(GO) test -count=1 -timeout 30m -v ./packaging/...

## report-picture: the README's picture, of the report of a break-in in the lab
report-picture: prepare
	TOLLWARDEN_REPORT=$(CURDIR)/bin/report.html $(GO) test -count=1 ./test -run '^TestBreakInIsContained$$'
	chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=860,745 --screenshot=docs/report.png file://$(CURDIR)/bin/report.html

## month: the generated month of three sites, with all 20 seeds (`make test` plays one)
month:
	$(GO) test ./test/month -count=1 -v

## flood: a million events of forged sources, and the bounds they keep within
flood:
	$(GO) test ./responder -count=1 -run FloodOfForgedSources -v

## flood-hour: an hour at 6,000 forged packets per second, and what it adds to
## ledger and log; takes minutes
flood-hour:
	TOLLWARDEN_FLOOD_RATE=6000 $(GO) test ./responder -count=1 -run FloodDoesNotFillTheDisk -timeout 1h -v

## fmt: format every file
fmt:
	$(GO) tool gofumpt -w $$(git ls-files '*.go')

clean:
	rm -rf bin

# The race detector needs a C compiler.
RACE = $(shell command -v gcc >/dev/null 2>&1 && echo -race)

.PHONY: prepare
prepare:
	@sh test/prepare.sh

## vulnerabilities: known ones in what the program calls; says so where the
## database (vuln.go.dev, or VULNDB=) is out of reach
.PHONY: vulnerabilities
vulnerabilities:
	@sh test/vulnerabilities.sh

## fuzz: every fuzz target, or TARGETS, for FUZZTIME each, from the corpora that are kept.
## `make test` counts runs, since go test may fail with "context deadline exceeded"
## when its time ends in the middle of one
FUZZTIME ?= 10s
.PHONY: fuzz
fuzz:
	@for dir in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
			case " $(or $(TARGETS),$$target) " in *" $$target "*) ;; *) continue ;; esac; \
			echo "$$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; \
	done

## fail2ban: fetches Debian's fail2ban for the tests that compare our reading with its own; it is not installed
.PHONY: fail2ban
fail2ban: CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tollwarden-fail2ban
fail2ban:
	mkdir -p $(CACHE)
	cd $(CACHE) && apt-get download fail2ban && dpkg-deb -x fail2ban_*.deb . && rm fail2ban_*.deb

## replay-speed: N lines of a log (10 million) through replay: how long it takes, and that memory stays flat
.PHONY: replay-speed
replay-speed:
	TOLLWARDEN_REPLAY_LINES=$(or $(N),10000000) $(GO) test -count=1 -run 'TestMemoryIsFlat$$' -v ./responder/replay

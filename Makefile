# Trefoil needs Go and make; `make setup` brings the rest. `make help` lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
LINT := go tool -modfile=tools/go.mod

# What ships is built without cgo: the same source gives the same bytes
# everywhere. The tests need cgo for PostgreSQL's own parser and for -race.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the programs into bin/
	$(BUILD) -o bin/ ./cmd/...

.PHONY: demo
demo: build setup-demo ## set everything up on this machine and tell the story; stays up until Ctrl-C
	bin/trefoil demo

.PHONY: test
test: setup-test ## every test once with small counts, then a minute of fuzzing (12 minutes on 2 cores)
	CGO_ENABLED=1 go test -timeout 10m ./...
	CGO_ENABLED=1 go test -race -timeout 5m ./record ./proof ./ledger ./access ./gate/...
	tools/fuzz.sh 60

# Apart from `make test`, because the data is not part of this repository.
.PHONY: test-pagila
test-pagila: setup-test ## a database not made for Trefoil, through every lens; DATA=DIR holds pagila/pagila.sql.gz
	@test -f "$(DATA)/pagila/pagila.sql.gz" || { \
		echo "there is no pagila/pagila.sql.gz in DATA=\"$(DATA)\"; say where it is: make test-pagila DATA=DIR (examples/pagila/README.md)" >&2; exit 1; }
	TREFOIL_TEST_DATA="$$(cd "$(DATA)" && pwd)" go test -tags pagila -count=1 -timeout 10m ./test/pagila

.PHONY: check
check: ## formatting, linters, the floors of the house, go.mod
	@out=$$(gofmt -l .); \
		test -z "$$out" || { echo "not formatted, run gofmt -w on:"; echo "$$out"; exit 1; }
	go vet ./...
	go vet -tags pagila ./test/pagila
	$(LINT) staticcheck ./...
	$(LINT) staticcheck -tags pagila ./test/pagila
	$(LINT) errcheck -ignoretests -exclude tools/errcheck.txt $$(go list ./... | grep -v /test/)
	go test -count=1 -run '^TestFloors' .
	go mod tidy -diff
	cd tools && go mod tidy -diff

.PHONY: bench
bench: build setup-bench ## measure against PgBouncer and the bare store; writes docs/performance.md (15 minutes)
	go run ./test/bench -write docs/performance.md

.PHONY: soak
soak: setup-test setup-soak ## full counts: 50 kills, an hour of looking for leaks, one of fuzzing; appends the result to docs/soak.md
	tools/soak.sh

.PHONY: setup
setup: ## install what demo, tests and benchmarks need (Debian packages; elsewhere it says what to install)
	tools/setup.sh demo test bench

# The targets above call these: they are quick when nothing is missing.
.PHONY: setup-demo setup-test setup-bench setup-soak
setup-demo setup-test setup-bench setup-soak:
	@tools/setup.sh $(@:setup-%=%)

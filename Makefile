# Kilonova. `make` alone says what there is.
export CGO_ENABLED := 0
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
ldflags := -s -w -X main.version=$(version)
# Packages that keep golden files, and so know -update.
golden = $(shell git grep -l 'flag.Bool."update"' -- '*_test.go' | xargs -r -n1 dirname | sort -u | sed 's|^|./|')
staticcheck := go run honnef.co/go/tools/cmd/staticcheck@v0.7.0
# Private MariaDB and PostgreSQL for all test binaries together.
with_databases := go run -buildvcs=false ./internal/store/dbtest/dbserver

.PHONY: help build check fmt vet test race gabbi fuzz bench docs demo demo-clean clean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## bin/kilonova, static
	@mkdir -p bin
	@if [ -d cmd/kilonova ]; then go build -buildvcs=false -ldflags '$(ldflags)' -o bin/kilonova ./cmd/kilonova; \
	else go build -buildvcs=false ./...; fi

fmt: ## format the code
	@gofmt -w $$(git ls-files '*.go')

vet: ## what the compiler does not see
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	@go vet ./...
	@$(staticcheck) ./...

check: vet ## before every commit: vet, the rules of the house, and all tests but the long ones
	@$(with_databases) go test -buildvcs=false -short ./...

test: ## all that CI runs, on a fresh Debian 12 as root; installs what it lacks
	@test/run.sh

race: ## the tests under the race detector (needs gcc)
	@CGO_ENABLED=1 $(with_databases) go test -race -buildvcs=false ./...

gabbi: ## Placement against the functional tests of the original (GABBITS=DIR of their files)
	@test/gabbi/run.sh

fuzz: ## every fuzz test for FUZZTIME (10s)
	@git grep -oh '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' >/dev/null || exit 0; \
	git grep -o '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | while IFS=: read -r file func; do \
		echo "== $${func#func } in $$(dirname $$file)"; \
		go test "./$$(dirname $$file)" -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime "$${FUZZTIME:-10s}"; \
	done

bench: ## every benchmark, shortly
	@go test -buildvcs=false -run '^$$' -bench . -benchtime 1s ./...

docs: ## rewrite the golden files and the pages of docs/ that are printed from the code
	@go test -buildvcs=false $(golden) -update

demo: build ## a cloud on this machine that boots a real guest; see demo/
	@demo/run.sh

demo-clean: ## take the demo's cloud away
	@demo/clean.sh

clean: ## remove what was built
	@rm -rf bin

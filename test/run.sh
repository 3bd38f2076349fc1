#!/bin/bash
# All that CI runs, on a fresh Debian 12 as root with Go: run.sh
# Every phase tells how long it took. The first one that fails ends the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0 KILONOVA_TEST_ALL=1
export KILONOVA_GUEST=${KILONOVA_GUEST:-$PWD/.cache/guest}

phase() { # name, command...
	local name=$1 start=$SECONDS
	shift
	echo "== $name"
	"$@" || { echo "== $name FAILED after $((SECONDS - start)) s"; exit 1; }
	echo "== $name: $((SECONDS - start)) s"
}

# go_tests shows go test's own lines, the whole of what failed, and what was skipped. With
# KILONOVA_TEST_ALL a server that cannot be started is a failure; what skips all the same needs
# the reference beside the repository, or tests what a simulated host does not promise. The
# functional tests of Placement's original are a phase of their own.
go_tests() {
	local log ok=0
	log=$(mktemp)
	go run -buildvcs=false ./internal/store/dbtest/dbserver \
		go test -buildvcs=false -count=1 -timeout 20m -v $(go list ./... | grep -v /test/gabbi$) >"$log" 2>&1 || ok=1
	grep -E '^(ok|FAIL|---|panic:|\?)' "$log" | grep -vE '^(--- PASS|\? )' || true
	if [ $ok -ne 0 ]; then
		grep -vE '^ *(=== |--- PASS)' "$log" | tail -n 300
	fi
	local passed failed skipped
	passed=$(grep -cE '^ *--- PASS' "$log" || true)
	failed=$(grep -cE '^ *--- FAIL' "$log" || true)
	skipped=$(grep -cE '^ *--- SKIP: Test' "$log" || true)
	if [ "$skipped" -gt 0 ]; then
		echo "skipped:"
		grep -A3 -E '^ *--- SKIP: Test' "$log" | grep -vE '^ *(=== |--- PASS|--$)' || true
	fi
	rm -f "$log"
	echo "$passed passed, $failed failed, $skipped skipped"
	return $ok
}

phase install test/install.sh
phase build make build
phase vet make vet
phase "guest image" guest/build.sh "$KILONOVA_GUEST"
phase "go test" go_tests
phase gabbi make gabbi
phase clients test/clients.sh
phase "docs" test/docs.sh
phase "guest" guest/test.sh "$KILONOVA_GUEST"
if [ -x demo/run.sh ]; then
	phase demo make demo
	phase "demo clean" make demo-clean
fi
echo "all of it: $SECONDS s"

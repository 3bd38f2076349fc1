#!/bin/bash
# Placement against the functional tests of the original, on all databases. Installs
# gabbi-run where it is not. GABBITS=DIR names the directory of the files, FILES="traits cors"
# some of them, DATABASES="sqlite" some databases. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0 GABBITS=${GABBITS:-$PWD/../shared/reference/placement_gabbits}
ls "$GABBITS"/*.yaml >/dev/null 2>&1 || {
	echo "NOT TESTED: no files of Placement's functional tests in $GABBITS; name their directory as GABBITS=DIR"
	exit 0
}
command -v gabbi-run >/dev/null || {
	apt-get update -qq
	apt-get install -y -qq python3-gabbi >/dev/null
}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
status=0
go run -buildvcs=false ./internal/store/dbtest/dbserver \
	go test -buildvcs=false -count=1 -parallel 8 -timeout 60m -v ./test/gabbi | tee "$out" || status=$?
grep -E '^[0-9]+ passed, [0-9]+ failed$' "$out" | tail -1 || true
exit "$status"

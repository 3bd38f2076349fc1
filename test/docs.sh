#!/bin/bash
# The shell blocks of the pages, run as typed, in order: docs.sh [PAGE...]
# A block is what is indented by four spaces. All are run, but for those after a comment
# "<!-- shown: WHY -->"; after "<!-- prints: TEXT -->" one must print the text. What a page leaves to its reader is filled in here, and
# `kilonova up` runs in the background with simulated hosts on ports of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset "${!OS_@}"
[ -x bin/kilonova ] || { echo "docs.sh: no bin/kilonova; run make build" >&2; exit 1; }
[ $# -gt 0 ] || set -- README.md docs/*.md

dir=$(mktemp -d -t kilonova-docs.XXXXXX)
mkdir "$dir/bin" "$dir/blocks"
export OS_COMPUTE_API_VERSION=2.90 DOCS_DIR=$dir DOCS_KILONOVA=$PWD/bin/kilonova DOCS_OFFSET=$((15000 + RANDOM % 7000))

trap 'stop-cloud; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

cat >"$dir/bin/stop-cloud" <<'WRAPPER'
#!/bin/bash
[ -f "$DOCS_DIR/pid" ] || exit 0
pid=$(<"$DOCS_DIR/pid")
rm "$DOCS_DIR/pid"
kill -TERM "$pid" 2>/dev/null
for _ in $(seq 200); do
	kill -0 "$pid" 2>/dev/null || exit 0
	sleep 0.1
done
echo "docs.sh: the cloud does not end" >&2
exit 1
WRAPPER

# The kilonova of the pages: up returns once the cloud is ready, which has a server to name.
cat >"$dir/bin/kilonova" <<'WRAPPER'
#!/bin/bash
set -euo pipefail
[ "${1:-}" = up ] || exec "$DOCS_KILONOVA" "$@"
[[ " $* " == *" --virt "* ]] || set -- "$@" --virt fake --fake-hosts 2
setsid "$DOCS_KILONOVA" "$@" --port-offset "$DOCS_OFFSET" >"$DOCS_DIR/out" 2>"$DOCS_DIR/log" </dev/null &
echo $! >"$DOCS_DIR/pid"
for _ in $(seq 300); do
	grep -q ^ready "$DOCS_DIR/out" && break
	kill -0 "$(<"$DOCS_DIR/pid")" || { cat "$DOCS_DIR/log" >&2; exit 1; }
	sleep 0.1
done
grep ^ready "$DOCS_DIR/out"
while [ "$1" != --state-dir ]; do shift; done
export OS_CLIENT_CONFIG_FILE=$2/clouds.yaml OS_CLOUD=kilonova
head -c 1M /dev/zero >"$DOCS_DIR/image"

openstack image create --disk-format raw --container-format bare --file "$DOCS_DIR/image" --public docs >/dev/null
openstack server create --wait --flavor m1.tiny --image docs --nic none --availability-zone nova:fake-1 docs-server >/dev/null
WRAPPER
chmod +x "$dir"/bin/*
export PATH=$dir/bin:/usr/bin:/bin:/usr/sbin:/sbin:$PATH

# blocks PAGE: its blocks, one file each, named by their line.
blocks() {
	rm -f "$dir"/blocks/*
	awk -v to="$dir/blocks/" '
		/^<!-- shown: / { skip = 1; next }
		/^<!-- prints: / { want = $0; gsub(/^<!-- prints: | -->$/, "", want); next }
		/^    / { if (!name) name = sprintf("%s%05d", to, NR)
		          if (want) print want > (name ".prints")
		          want = ""
		          if (!skip) print substr($0, 5) > name
		          next }
		name { name = ""; skip = 0 }' "$1"
}

# filled: what a page leaves open, as a reader would fill it in.
filled() {
	sed -E -e "s#(/var/lib/kilonova|/tmp/cloud|\bDIR\b)#$dir/state#g" -e 's#\bbin/kilonova\b#kilonova#' \
		-e 's/\bSERVER\b/docs-server/' -e "s/\bHOST\b/$host/" -e 's/ \.\.\.$/ --wait --flavor m1.tiny --image docs --nic none docs-zone/' \
		-e 's/^kill -TERM …/stop-cloud/' "$1"
}

host=fake-2
count=0
for page in "$@"; do
	blocks "$page"
	: >"$dir/script"
	for block in "$dir"/blocks/?????; do
		[ -f "$block" ] || continue
		printf 'echo "-- %s:%s"\n' "$page" "$((10#$(basename "$block")))" >>"$dir/script"
		if [ -f "$block.prints" ]; then
			printf '{\n%s\n} >"$DOCS_DIR/said"\ncat "$DOCS_DIR/said"\n' "$(filled "$block")"
			printf 'grep -qF -- %q "$DOCS_DIR/said"\n' "$(<"$block.prints")"
		else
			filled "$block"
		fi >>"$dir/script"
		count=$((count + 1))
	done
	bash -euo pipefail "$dir/script" || { echo "docs.sh: $page: the block named last failed" >&2; cat "$dir/log" >&2 2>/dev/null; exit 1; }
	stop-cloud
	rm -rf "$dir/state"
done
echo "$count blocks run"

# shellcheck shell=bash
# What run.sh and clean.sh share: where things are, how they are told, which processes are ours.
#
# DEMO_DIR          the state directory                       (.cache/demo)
# PORT_OFFSET       added to every port                       (0)
# DEMO_LIBVIRT_URI  a libvirt of the machine, instead of one of the demo's own

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$(realpath -ms "${DEMO_DIR:-$root/.cache/demo}")
# shellcheck disable=SC2034 # for those who source this
offset=${PORT_OFFSET:-0} kilonova=$root/bin/kilonova libvirt_uri=${DEMO_LIBVIRT_URI:-qemu+unix:///system?socket=$state/libvirt/run/libvirt-sock}

# A step prints its name when it begins and its time when it ends.
now() { echo "${EPOCHREALTIME/[.,]/}"; }
seconds() { printf '%d.%d s' $((($1) / 1000000)) $((($1) / 100000 % 10)); }
# shellcheck disable=SC2034
begun=$(now)

step() { # name, command...
	local start
	start=$(now) doing=$1
	shift
	printf '%-44s ' "$doing"
	"$@"
	seconds $(($(now) - start))
	echo
}
doing=

die() {
	echo
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# A process is known by its id and the time it was started: an id alone may be another's by now.
birth() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

remember() { echo "$2 $(birth "$2")" >"$state/$1.pid"; } # name, pid

alive() { # name: prints the pid of a process of ours that runs
	local pid start
	read -r pid start 2>/dev/null <"$state/$1.pid" || return
	[[ -n $start && $(birth "$pid") == "$start" && $(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null) != Z* ]] || return
	echo "$pid"
}

stop() { # name, signal, seconds: returns when it has ended
	local pid end=$((SECONDS + $3))
	pid=$(alive "$1") || return 0
	kill "-$2" "$pid" 2>/dev/null || true
	while alive "$1" >/dev/null; do
		((SECONDS < end)) || { kill -KILL "$pid" 2>/dev/null || true; }
		sleep 0.05
	done
	rm -f "$state/$1.pid"
}

#!/bin/bash
# Takes the demo's cloud away: processes, guests, network, state directory. Harmless where there is none.
set -eEuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR source=lib.sh
. ./lib.sh

[[ -d $state ]] || { echo "no demo in $state" && exit 0; }
((EUID == 0)) || die "needs root"

stop_cloud() { stop kilonova TERM 20; }

# With its first process all of the demo's own libvirt ends, guests too; on the machine's the guests are removed one by one.
remove_guests_and_network() {
	if [[ -n ${DEMO_LIBVIRT_URI:-} ]]; then
		"$kilonova" down --state-dir "$state" --libvirt-uri "$libvirt_uri"
	else
		stop libvirt KILL 10
		[[ ! -e $state/secrets.json ]] || "$kilonova" down --state-dir "$state" --keep-guests
	fi
}

step "kilonova" stop_cloud
step "guests and network" remove_guests_and_network
step "$state" rm -rf "$state"

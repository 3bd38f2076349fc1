#!/bin/bash
# Installs what the tests need on Debian 12, and only what is missing. Needs root.
set -euo pipefail

packages=(
	mariadb-server postgresql                       # the databases beside SQLite
	libvirt-daemon-system libvirt-clients           # the hypervisor
	qemu-system-x86 qemu-utils ovmf seabios         # what it drives
	nftables iproute2 iputils-ping kmod             # the data path of the network
	genisoimage mtools dosfstools xorriso           # config drives, and a look into them
	busybox-static cpio e2fsprogs fdisk xz-utils    # guests
	openssh-client curl                             # what talks to guests and services
	python3-openstackclient python3-novaclient      # the clients that strangers use
	python3-osc-placement python3-gabbi             # and those of Placement
)

missing=()
for p in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || { echo "install.sh: needs root to install: ${missing[*]}" >&2; exit 1; }

export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o Acquire::Retries=5 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

try() { # command...: three times, quietly; the log is shown when all fail
	local n
	for n in 1 2 3; do
		"$@" >"$log" 2>&1 && return 0
		sleep $((n * 5))
	done
	tail -n 40 "$log" >&2
	return 1
}

echo "installing: ${missing[*]}"
try "${apt[@]}" update
try "${apt[@]}" install -y --no-install-recommends "${missing[@]}"

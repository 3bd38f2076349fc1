#!/bin/bash
# Boots the guest image under QEMU without KVM in each way that it must know, and logs in: test.sh [OUTDIR]
# Ends with "N passed, N failed". Needs qemu-system-x86_64, ovmf, genisoimage, mtools and an OpenSSH client.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../.cache/guest}
work=$(mktemp -d)
passed=0 failed=0
declare -A vm=()

stop_all() {
	local pid
	for pid in "${vm[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap stop_all EXIT

check() { # what, command...
	local what=$1
	shift
	if "$@" >"$work/check.out" 2>&1; then
		passed=$((passed + 1))
		echo "ok    $what"
	else
		failed=$((failed + 1))
		echo "FAIL  $what"
		sed 's/^/      /' "$work/check.out" | tail -n 5
	fi
}

free_port() {
	local port
	while port=$((20000 + RANDOM % 20000)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
	done
}

# boot NAME MIB ARGS...: a guest with the image as a throw-away overlay, an SSH port and a monitor.
boot() {
	local name=$1 mib=$2
	shift 2
	[[ -e $work/$name.qcow2 ]] || qemu-img create -q -f qcow2 -F qcow2 -b "$(realpath "$out/kilonova-guest.qcow2")" "$work/$name.qcow2" 1G
	rm -f "$work/$name.log"
	date +%s.%N >"$work/$name.start"
	qemu-system-x86_64 -accel tcg -m "$mib" -nodefaults -display none -no-reboot \
		-drive "file=$work/$name.qcow2,if=none,id=root" -device virtio-blk-pci,drive=root,bootindex=0 -device virtio-rng-pci \
		-serial "file:$work/$name.log" -monitor "unix:$work/$name.monitor,server,nowait" "$@" 2>"$work/$name.qemu" &
	vm[$name]=$!
	disown
}

# slirp PORT [ADDRESS [MORE]]: a network with DHCP and nothing else but SSH from here, to that address or the leased one.
slirp() { echo "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$1-${2:-}:22${3:+,$3}"; }

# console NAME SECONDS PATTERN waits for a line on the serial console.
console() {
	local end=$((SECONDS + $2))
	until grep -aqE "$3" "$work/$1.log" 2>/dev/null; do
		((SECONDS < end)) || { echo "no \"$3\" on the console of $1:" && tail -n 4 "$work/$1.log" && return 1; }
		kill -0 "${vm[$1]}" 2>/dev/null || { echo "$1 ended: $(cat "$work/$1.qemu")" && return 1; }
		sleep 0.1
	done
}

log_in() { # port, user, command...
	local port=$1 user=$2
	shift 2
	ssh -n -F none -i "$work/key" -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o LogLevel=ERROR -o ConnectTimeout=10 "$user@127.0.0.1" "$@"
}

says() { # expected, command...
	local expected=$1 got
	shift
	got=$("$@") || return
	[[ $got == "$expected" ]] || { echo "want: $expected" && echo "got:  $got" && return 1; }
}

power_button() {
	bash -c 'exec 3<>/dev/null; printf "system_powerdown\n"; sleep 0.2' | socat - "UNIX-CONNECT:$work/$1.monitor" >/dev/null
	for _ in {1..30}; do
		kill -0 "${vm[$1]}" 2>/dev/null || { unset "vm[$1]" && return; }
		sleep 0.1
	done
	echo "still running after 3 s" && return 1
}

seconds_to_ready() {
	awk -v start="$(cat "$work/$1.start")" -v end="$(stat -c %.Y "$work/$1.log")" 'BEGIN { printf "%.1f s from exec to the last line\n", end - start }'
}

# Documents that a cloud gives to a guest

write_documents() { # directory, uuid
	local dir=$1/openstack/latest
	mkdir -p "$dir"
	cat >"$dir/meta_data.json" <<-END
		{"uuid": "$2", "name": "Web 1", "hostname": "web-1.novalocal", "public_keys": {"mine": "$(cat "$work/key.pub")"}}
	END
	printf '#!/bin/sh\necho "user data on $(hostname)"\necho ran >>/state/user-data\n' >"$dir/user_data"
}

write_network_data() { # directory, MAC
	cat >"$1/openstack/latest/network_data.json" <<-END
		{"links": [{"id": "tap1", "ethernet_mac_address": "$2", "mtu": 1400, "type": "ovs"}],
		 "networks": [{"id": "network0", "type": "ipv4", "link": "tap1", "ip_address": "10.0.2.77", "netmask": "255.255.255.0",
		   "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.2.2"}],
		   "services": [{"type": "dns", "address": "10.0.2.3"}]},
		  {"id": "network1", "type": "ipv6", "link": "tap1", "ip_address": "fec0::77", "netmask": "ffff:ffff:ffff:ffff::", "routes": []}],
		 "services": [{"type": "dns", "address": "10.0.2.4"}]}
	END
}

# serve is a metadata service for guestfwd: one HTTP request on standard input, a file below a directory as the answer.
cat >"$work/serve" <<-'END'
	#!/bin/bash
	read -r _ path _
	while read -r line && [[ ${line%$'\r'} ]]; do :; done
	if [[ -f $1$path ]]; then
		printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' "$(stat -c %s "$1$path")"
		cat "$1$path"
	else
		printf 'HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n'
	fi
END
chmod +x "$work/serve"
ssh-keygen -q -t ed25519 -N '' -C test -f "$work/key"
nic=virtio-net-pci,netdev=net,mac=fa:16:3e:00:00:01

metadata_service() {
	write_documents "$work/openstack" 11111111-aaaa-4000-8000-000000000001
	local port
	port=$(free_port)
	boot bios 128 -device "$nic" \
		-netdev "$(slirp "$port" "" "net=169.254.0.0/16,dhcpstart=169.254.9.9,guestfwd=tcp:169.254.169.254:80-cmd:$work/serve $work/openstack")"
	check "BIOS, 128 MiB, metadata service: is ready" console bios 60 'kilonova-guest ready: web-1 169.254.9.9'
	seconds_to_ready bios
	check "user data runs" console bios 20 'user data: user data on web-1'
	check "user data's end is told" console bios 20 'user data ended with 0'
	check "SSH as debian" says "debian web-1" log_in "$port" debian 'echo $(id -un) $(hostname)'
	check "SSH as root" says "0" log_in "$port" root id -u
	check "host key is the one that the console shows" grep -aqF "$(ssh-keyscan -t ed25519 -p "$port" 127.0.0.1 2>/dev/null | cut -d' ' -f2-)" "$work/bios.log"
	check "a port can be served" says "hello" log_in "$port" root 'mkdir /tmp/w; echo hello >/tmp/w/a; httpd -p 8080 -h /tmp/w; wget -q -O - http://127.0.0.1:8080/a'
	echo "device_add virtio-net-pci,id=second" | socat - "UNIX-CONNECT:$work/bios.monitor" >/dev/null
	check "an interface is seen when it is plugged in" console bios 20 'eth1 was plugged in'
	check "power button ends it within 3 s" power_button bios

	port=$(free_port)
	boot bios 96 -device "$nic" \
		-netdev "$(slirp "$port" "" "net=169.254.0.0/16,dhcpstart=169.254.9.9,guestfwd=tcp:169.254.169.254:80-cmd:$work/serve $work/openstack")"
	check "same disk, 96 MiB: is ready again" console bios 60 'kilonova-guest ready: web-1 169.254.9.9'
	check "second boot is counted" console bios 1 'boot 2 of this disk'
	check "user data does not run twice" console bios 20 'user data ran at an earlier boot'
	check "power button ends it within 3 s" power_button bios
}

config_drive_iso() {
	write_documents "$work/iso" 11111111-aaaa-4000-8000-000000000002
	write_network_data "$work/iso" fa:16:3e:00:00:01
	genisoimage -quiet 2>/dev/null -o "$work/config.iso" -ldots -allow-lowercase -allow-multidot -l -J -r -V config-2 "$work/iso"
	local port
	port=$(free_port)
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars.fd"
	boot uefi 192 -drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd -drive "if=pflash,format=raw,file=$work/vars.fd" \
		-device virtio-scsi-pci -drive "file=$work/config.iso,format=raw,if=none,id=config,readonly=on" -device scsi-cd,drive=config \
		-device "$nic" -netdev "$(slirp "$port" 10.0.2.77)"
	check "UEFI, 192 MiB, ISO config drive, static address: is ready" console uefi 60 'kilonova-guest ready: web-1 10.0.2.77'
	seconds_to_ready uefi
	check "network_data.json is applied" says "1400 10.0.2.2 fec0::77/64 2" \
		log_in "$port" debian 'echo $(cat /sys/class/net/eth0/mtu) $(ip route | awk "/^default/ { print \$3 }") $(ip -6 addr show dev eth0 | grep -o fec0::77/64) $(grep -c nameserver /etc/resolv.conf)'
	check "power button ends it within 3 s" power_button uefi
}

config_drive_fat() {
	write_documents "$work/fat" 11111111-aaaa-4000-8000-000000000003
	printf '#cloud-config\nruncmd:\n  - echo "from $(hostname)"\n' | gzip -n >"$work/fat/openstack/latest/user_data"
	truncate -s 16M "$work/config.fat"
	mformat -i "$work/config.fat" -v config-2 ::
	mcopy -s -i "$work/config.fat" "$work/fat/openstack" ::/
	local port
	port=$(free_port)
	boot fat 128 -drive "file=$work/config.fat,format=raw,if=ide" -device "$nic" -netdev "$(slirp "$port")"
	check "BIOS, 128 MiB, FAT config drive on IDE: is ready" console fat 60 'kilonova-guest ready: web-1 10.0.2.15'
	check "gzip'ed #cloud-config with runcmd runs" console fat 20 'user data: from web-1'
	check "SSH" says "ok" log_in "$port" debian echo ok
	check "power button ends it within 3 s" power_button fat
}

nothing_answers() {
	check "no DHCP server: the console says so" console alone 60 'no DHCP answer on eth0 after 10 s'
	check "no metadata: the console says so" console alone 60 'no metadata from http://169.254.169.254 after 10 s'
	check "it is ready nonetheless" console alone 20 'kilonova-guest ready: kilonova-guest no-address'
}

"$here/build.sh" "$out"
boot alone 96 -device "$nic" -netdev socket,id=net,listen=127.0.0.1:0
metadata_service
config_drive_iso
config_drive_fat
nothing_answers
echo "$passed passed, $failed failed"
((failed == 0))

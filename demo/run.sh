#!/bin/bash
# A cloud on this machine that boots a real guest: make demo. Needs root on Debian 12, amd64, with bin/kilonova built.
# Again it is quick and changes nothing, and after a crash it brings everything back. demo/clean.sh takes it all away.
set -eEuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR source=lib.sh
. ./lib.sh

name=hello flavor=m1.nano image=kilonova-guest network=private key=$state/demo.key guest=${KILONOVA_GUEST:-$root/.cache/guest}

# What fails may have its output redirected: the report goes to where this script's went.
exec 3>&1
failed() {
	trap - ERR
	((BASH_SUBSHELL == 0)) || exit 1
	exec >&3
	printf '\n\n%s failed at: %s\n' "make demo" "$doing"
	for log in step kilonova libvirt; do
		[[ -s $state/$log.log ]] || continue
		printf '\n--- the end of %s\n' "$state/$log.log"
		tail -n 15 "$state/$log.log"
	done
	[[ ! -s $state/console.log ]] || { printf '\n--- the end of the console\n' && tail -n 15 "$state/console.log"; }
	cat <<-END

		Again: make demo. From nothing: make demo-clean demo. Where Docker or another firewall drops what bridges
		forward, let ours through: iptables -I DOCKER-USER -i brq+ -j ACCEPT; iptables -I DOCKER-USER -o brq+ -j ACCEPT
	END
	exit 1
}
trap failed ERR

# os runs the stock client as the user demo, or with AS=kilonova as the administrator. Its messages are kept for failures.
unset "${!OS_@}"
export OS_CLIENT_CONFIG_FILE=$state/clouds.yaml no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
os() { openstack --os-cloud "${AS:-demo}" "$@" 2>>"$state/step.log"; }

log_in() {
	ssh -n -F none -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
		-o ConnectTimeout=3 "debian@$address" "$@"
}

preconditions() {
	((EUID == 0)) || die "needs root: it makes network namespaces and starts a hypervisor"
	[[ $(uname -m) == x86_64 ]] || die "the guest image is built on amd64 only"
	command -v apt-get >/dev/null || die "needs Debian's apt-get"
	[[ -x $kilonova ]] || die "$kilonova is not built: make build"
	[[ -n ${DEMO_LIBVIRT_URI:-} || ${#libvirt_uri} -lt 140 ]] || die "$state: the path is too long for a socket; choose another DEMO_DIR"
	mkdir -p "$state"
	: >"$state/step.log"
}

build_guest() { ../guest/build.sh "$guest" >>"$state/step.log" 2>&1; }

install_packages() {
	local packages=(
		qemu-system-x86 qemu-utils libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients # the hypervisor
		nftables iproute2 kmod                                                               # the network
		python3-openstackclient openssh-client                                               # the clients
		cpio mtools e2fsprogs fdisk xz-utils zstd                                            # the guest image
	) missing=() p
	for p in "${packages[@]}"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) == installed ]] || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	local apt=(apt-get -qq -o Acquire::Retries=5 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
	export DEBIAN_FRONTEND=noninteractive
	{
		"${apt[@]}" update || return
		"${apt[@]}" install -y --no-install-recommends "${missing[@]}" || return
	} >>"$state/step.log" 2>&1
}

# background NAME COMMAND...: runs on when this script ends; log and process id are in the state directory.
background() {
	local name=$1
	shift
	setsid nohup "$@" >>"$state/$name.log" 2>&1 </dev/null 3>&- &
	remember "$name" $!
	disown
}

start_libvirt() {
	[[ -z ${DEMO_LIBVIRT_URI:-} ]] || { virsh -q -c "$libvirt_uri" version >/dev/null 2>>"$state/step.log" && return; }
	alive libvirt >/dev/null || background libvirt ./libvirt.sh "$state/libvirt"
	local end=$((SECONDS + 60))
	until virsh -q -c "$libvirt_uri" version >/dev/null 2>&1; do
		((SECONDS < end)) && alive libvirt >/dev/null || return
		sleep 0.1
	done
}

start_kilonova() {
	! alive kilonova >/dev/null || return 0
	: >"$state/kilonova.log"
	background kilonova "$kilonova" up --state-dir "$state" --virt libvirt --libvirt-uri "$libvirt_uri" --port-offset "$offset"
	local end=$((SECONDS + 60))
	until grep -q '^ready' "$state/kilonova.log"; do
		((SECONDS < end)) && alive kilonova >/dev/null || return
		sleep 0.05
	done
}

# there COMMAND...: whether the client finds something.
there() { os "$@" -f value -c id >/dev/null 2>&1; }

# once WHAT NAME COMMAND...: makes something of that name, and never again. A call of the client costs most of a second, so
# it looks whether the thing is there only where an earlier run ended on the way.
once() {
	local mark=$state/made/$1.$2 what=$1 name=$2
	shift 2
	[[ ! -e $mark ]] || return 0
	if [[ ! -e $mark.begun ]] || ! there "${what//_/ }" show "$name"; then
		mkdir -p "$state/made"
		touch "$mark.begun"
		os "$@" >/dev/null
	fi
	mv "$mark.begun" "$mark"
}

make_image_and_key() {
	[[ -e $key ]] || ssh-keygen -q -t ed25519 -N '' -C demo -f "$key"
	once image $image image create --disk-format qcow2 --container-format bare --file "$guest/kilonova-guest.qcow2" $image
	once keypair demo keypair create --public-key "$key.pub" demo
}

make_network() {
	once network $network network create $network
	once subnet $network subnet create --network $network --subnet-range 10.7.0.0/24 $network
	once router $network router create --external-gateway public $network
	once port gateway-of-$network router add subnet $network $network
	once security_group_rule ssh security group rule create --protocol tcp --dst-port 22 default
	once security_group_rule icmp security group rule create --protocol icmp default
}

make_server() {
	local status
	if [[ -e $state/made/server.$name ]]; then
		status=$(os server show $name -f value -c status) || rm -f "$state/made/server.$name" "$state/address"
		[[ $status != SHUTOFF ]] || os server start $name
	fi
	once server $name server create --flavor $flavor --image $image --network $network --key-name demo --user-data user-data --wait $name
}

make_floating_ip() {
	local port
	[[ ! -s $state/address ]] || { address=$(cat "$state/address") && return; }
	port=$(os port list --server $name -f value -c id)
	address=
	[[ ! -e $state/made/address.begun ]] || address=$(os floating ip list --port "$port" -f value -c "Floating IP Address")
	touch "$state/made/address.begun"
	[[ -n $address ]] || address=$(os floating ip create --port "$port" public -f value -c floating_ip_address)
	echo "$address" >"$state/address"
}

await_ssh() {
	local end=$((SECONDS + 180))
	until log_in true 2>>"$state/step.log"; do
		((SECONDS < end)) || { os console log show $name >"$state/console.log" || true; return 1; }
		sleep 0.5
	done
}

show_guest() {
	printf '\nThe end of its console:\n'
	os console log show --lines 12 $name | sed 's/^/    /'
	printf '\nIn the guest, by ssh to its floating address %s:\n' "$address"
	# shellcheck disable=SC2016 # the guest's shell expands it
	log_in 'for c in "uname -a" uptime "ip -4 -o addr show dev eth0" "ip route" "cat /run/greeting"; do echo "\$ $c"; $c; done' | sed 's/^/    /'
}

go_on() {
	cat <<-END

		Done in $(seconds $(($(now) - begun))). To go on:
		    source $state/demo-openrc; openstack server list
		    ssh -i $key debian@$address
		    make demo-clean
	END
}

# Again: when the guest answers and the service knows it, all is there.
all_there() {
	[[ -s $state/address ]] || return
	address=$(cat "$state/address")
	log_in true 2>/dev/null && [[ $(os server show $name -f value -c status) == ACTIVE ]]
}

preconditions
step "packages of Debian" install_packages
step "guest image" build_guest
step "libvirt" start_libvirt
step "kilonova up" start_kilonova
if ! all_there; then
	step "openstack image create, keypair create" make_image_and_key
	step "network, subnet, router, security group" make_network
	step "openstack server create --wait" make_server
	step "openstack floating ip create" make_floating_ip
	step "ssh debian@$address" await_ssh
fi
show_guest
go_on

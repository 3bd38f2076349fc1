#!/bin/bash
# A whole cloud, driven by the clients that strangers use: clients.sh [--table]
# It starts bin/kilonova with simulated hosts in a folder of its own, runs every command below
# as the user named, and holds its exit code and what it printed against what is written here.
# With --table it prints docs/clients.md instead of one line a check.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
unset "${!OS_@}"

table=no
[ "${1:-}" = --table ] && table=yes
binary=${KILONOVA:-$PWD/bin/kilonova}
offset=${KILONOVA_PORT_OFFSET:-$((15000 + RANDOM % 7000))} # below the ports that the kernel hands out
jobs=${CLIENTS_JOBS:-3}
dir=$(mktemp -d -t kilonova-clients.XXXXXX)
cloud=

finish() {
	if [ -n "$cloud" ]; then
		kill "$cloud" 2>/dev/null
		wait "$cloud" 2>/dev/null
	fi
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

[ -x "$binary" ] || { echo "clients.sh: no $binary; run make build" >&2; exit 1; }
mkdir "$dir/rows" "$dir/shown"
"$binary" up --state-dir "$dir/state" --virt fake --fake-hosts 2 --port-offset "$offset" >"$dir/out" 2>"$dir/log" &
cloud=$!
for _ in $(seq 300); do
	grep -q ^ready "$dir/out" && break
	kill -0 "$cloud" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
	sleep 0.1
done
grep -q ^ready "$dir/out" || { echo "clients.sh: the cloud was not ready in 30 s" >&2; exit 1; }

# The language of the checks. `as` says who speaks from here on. `ok WANT COMMAND...` expects
# success and a print that matches WANT, an extended regular expression for the whole of it with
# lines joined by "; ". `no WANT COMMAND...` expects a refusal whose words hold WANT.
# `keep NAME` remembers the last print: $NAME in later commands, <NAME> in the table.
declare -A names=() clouds=([admin]=kilonova [demo]=demo) openrc=([admin]=openrc [demo]=demo-openrc)
who=demo rows=/dev/null printed=

as() { who=$1; }

keep() {
	names[$printed]=$1
	printf -v "$1" %s "$printed"
}

keep_as() { # name, value: one that was chosen, not printed
	names[$2]=$1
	printf -v "$1" %s "$2"
}

record() { # verdict, result, command...
	local verdict=$1 result=$2 line value
	shift 2
	line=$*
	for value in "${!names[@]}"; do
		[ -z "$value" ] || line=${line//"$value"/<${names[$value]}>} result=${result//"$value"/<${names[$value]}>}
	done
	[[ $line =~ gAAAA[A-Za-z0-9_=-]+ ]] && line=${line/"${BASH_REMATCH[0]}"/<TOKEN>}
	line=${line//"$dir/"/} result=${result//$'\n'/ }
	printf '%s\t%s\t%s\t%s\n' "$verdict" "$who" "$line" "$result" >>"$rows"
	if [ "$table" = no ]; then
		printf '%-4s  %-8s  %s\n' "$verdict" "$who" "$line"
		[ "$verdict" = ok ] || printf '      %s\n' "$result"
	elif [ "$verdict" != ok ]; then
		printf '%s: %s: %s\n' "$who" "$line" "$result" >&2
	fi
}

run() { # command...: sets printed, said and code
	local err
	err=$(mktemp -p "$dir")
	printed=$(
		case $1 in
		nova) # shellcheck disable=SC1090
			. "$dir/state/${openrc[$who]}" ;;
		*) export OS_CLIENT_CONFIG_FILE=$dir/state/clouds.yaml OS_CLOUD=${clouds[$who]} ;;
		esac
		[ "$1" != kilonova ] || set -- "$binary" "${@:2}"
		exec "$@" 2>"$err" </dev/null
	)
	code=$?
	printed=$(sed 's/ *$//' <<<"$printed" | awk 'NF {printf "%s%s", sep, $0; sep = "; "}')
	said=$(tail -n 4 "$err")
	rm -f "$err"
	[[ $said != *Traceback* && $said != *"HTTP 5"* && $said != *"NoneType"* ]]
}

ok() { # want, command...
	local want=$1
	shift
	[[ $1 = *nova ]] || set -- openstack "$@"
	if run "$@" && [ "$code" = 0 ] && [[ $printed =~ ^($want)$ ]]; then
		case $want in
		'' | "$anything") want=done ;;
		*) want=${want//"$uuid"/UUID} want="\`${want//"$hex32"/ID}\`" ;;
		esac
		record ok "$want" "$@"
	else
		record FAIL "exit $code; wanted $want; printed ${printed:-nothing}; said ${said:-nothing}" "$@"
	fi
}

no() { # want, command...
	local want=$1
	shift
	[[ $1 = *nova ]] || set -- openstack "$@"
	if run "$@" && [ "$code" != 0 ] && [[ $said =~ $want ]]; then
		record ok "refused: \`$want\`" "$@"
	else
		record FAIL "exit $code; wanted a refusal: $want; printed ${printed:-nothing}; said ${said:-nothing}" "$@"
	fi
}

# ends expects an exit code that scripts read, whatever is said.
ends() { # code, command...
	local want=$1
	shift
	if run "$@" && [ "$code" = "$want" ]; then
		record ok "exit code $want" "$@"
	else
		record FAIL "exit $code; wanted $want; printed ${printed:-nothing}; said ${said:-nothing}" "$@"
	fi
}

# quietly asks without a check.
quietly() {
	run openstack "$@"
	printf '%s\n' "$printed"
}

# value is ok with -f value -c COLUMN..., + for a space in a column.
value() { # want, columns (a,b), command...
	local want=$1 columns=() c
	for c in ${2//,/ }; do columns+=(-c "${c//+/ }"); done
	shift 2
	ok "$want" "$@" -f value "${columns[@]}"
}

uuid='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
hex32='[0-9a-f]{32}'
anything='.*'

# What every part of the examination needs.
prepare() {
	head -c 1M /dev/zero >"$dir/disk.raw"
	printf '#cloud-config\n' >"$dir/user-data"
	head -c 10241 /dev/zero >"$dir/large"
	ssh-keygen -q -t ed25519 -N '' -C me -f "$dir/key"
	as admin
	value queued status image create --public --disk-format raw --container-format bare --min-disk 1 --file "$dir/disk.raw" prepared
	value active status image show prepared
	as demo
	value "$uuid" id network create private
	keep NET
	value "$uuid" id subnet create --network private --subnet-range 10.10.0.0/24 --dns-nameserver 9.9.9.9 private-v4
	value me name keypair create --public-key "$dir/key.pub" me
}

# Each part below is independent of the others, but for what prepare made.

part_identity() {
	as admin
	value "$hex32" project_id token issue
	value 'compute; identity; image; network; placement' Type catalog list --sort-column Type
	value nova name catalog show compute
	value 'compute; identity; image; network; placement' Type service list --sort-column Type
	value 'True; nova' name,enabled service show nova
	value 'admin; internal; public' Interface endpoint list --service nova --sort-column Interface
	value RegionOne Region region list
	value 'Default True' Name,Enabled domain list
	value True enabled project create --description 'A test' lab
	value 'A test; lab' name,description project show lab
	ok '' project set --description 'Another' --tag blue lab
	value "Another; \['blue'\]" description,tags project show lab
	value '(.*; )?lab(; .*)?' Name project list
	no 'HTTP 409' project create lab
	value 'ann@example.org; ann' name,email user create --project lab --password secret1 --email ann@example.org ann
	value '(.*; )?ann(; .*)?' Name user list
	ok '' user set --email ann@example.com ann
	value ann@example.com email user show ann
	value operator name role create operator
	value '.*admin.*operator.*reader.*' Name role list --sort-column Name
	ok '' role add --project lab --user ann operator
	value operator Role role assignment list --user ann --project lab --names
	ok '' role remove --project lab --user ann operator
	ok '' role assignment list --user ann --project lab --names -f value
	no 'HTTP 404' role remove --project lab --user ann operator
	ok '' role delete operator
	value crew name group create crew
	ok "$anything" group add user crew ann
	value '(.*; )?crew(; .*)?' Name group list
	ok '' group delete crew
	ok '' user set --disable ann
	value False enabled user show ann
	ok '' user delete ann
	no 'No user' user show ann
	ok '' project delete lab
	as demo
	value "$hex32" user_id token issue
	ok '' token revoke "$(quietly token issue -f value -c id)"
	value 'compute; identity; image; network; placement' Type catalog list --sort-column Type
	no 'HTTP 403' user list
	no 'HTTP 403' project create mine
	no 'HTTP 403' role assignment list
	value demo Name project list --my-projects
	no 'HTTP 403' endpoint list
}

part_image() {
	as admin
	value 'active public' Status,Visibility image list --name prepared --long
	no 'claims to be qcow2 but its content is raw' image create --disk-format qcow2 --container-format bare --file "$dir/disk.raw" liar
	no 'No Image' image show liar
	value 'raw; shared' disk_format,visibility image create --disk-format raw --container-format bare --file "$dir/disk.raw" --property os_distro=debian mine
	value "$uuid" id image show mine
	keep IMAGE
	ok '' image set --name ours --property hw_disk_bus=virtio --tag blue --min-disk 2 "$IMAGE"
	value '2; ours' name,min_disk image show "$IMAGE"
	ok '.*blue.*' image show "$IMAGE" -f value -c tags
	ok '' image unset --property hw_disk_bus --tag blue "$IMAGE"
	value '\[\]' tags image show "$IMAGE"
	value "$IMAGE" ID image list --property os_distro=debian
	ok '' image set --protected "$IMAGE"
	no 'HTTP 403|403 Forbidden|protected' image delete "$IMAGE"
	ok '' image set --unprotected "$IMAGE"
	value pending status image add project "$IMAGE" demo
	value pending Status image member list "$IMAGE"
	ok '' image remove project "$IMAGE" demo
	ok '' image set --deactivate prepared
	value deactivated status image show prepared
	ok '' image set --activate prepared
	ok '' image save --file "$dir/saved" prepared
	value active status image show prepared
	as demo
	no 'No Image|HTTP 404' image show "$IMAGE"
	value "$uuid" id image create --disk-format raw --container-format bare --file "$dir/disk.raw" private-one
	value 'private-one; active' status,name image show private-one
	no 'HTTP 403|403' image set --public private-one
	no 'HTTP 403|403' image delete prepared
	ok '' image delete private-one
	no 'No Image' image show private-one
	as admin
	ok '' image delete "$IMAGE"
}

part_network() {
	as demo
	value 'private; public' Name network list --sort-column Name
	value 'work; False' name,port_security_enabled network create --disable-port-security work
	ok '' network set --description 'for work' --enable-port-security work
	value 'for work; True' description,port_security_enabled network show work
	no 'HttpException: 403|ForbiddenException: 403|HTTP 403|403' network create --provider-network-type vlan other
	value '10.20.0.1; 4' ip_version,gateway_ip subnet create --network work --subnet-range 10.20.0.0/24 --allocation-pool start=10.20.0.10,end=10.20.0.20 work-v4
	value "\[\{'end': '10.20.0.20', 'start': '10.20.0.10'\}\]" allocation_pools subnet show work-v4
	ok '' subnet set --dns-nameserver 9.9.9.9 work-v4
	value "\['9.9.9.9'\]" dns_nameservers subnet show work-v4
	ok '' subnet unset --dns-nameserver 9.9.9.9 work-v4
	value 'work-v4' Name subnet list --network work
	no '409|400' subnet create --network work --subnet-range 10.20.0.0/25 again
	value ".*10.20.0.15.*" fixed_ips port create --network work --fixed-ip ip-address=10.20.0.15 p1
	no '409' port create --network work --fixed-ip ip-address=10.20.0.15 p2
	ok '' port set --description 'a port' --allowed-address ip-address=10.20.0.99 p1
	value ".*10.20.0.99.*; a port" description,allowed_address_pairs port show p1
	value p1 Name port list --network work --device-owner ''
	value 'web' name security group create --description 'web servers' web
	value "80; 80; tcp" protocol,port_range_min,port_range_max security group rule create --protocol tcp --dst-port 80 web
	no '409' security group rule create --protocol tcp --dst-port 80 web
	value "$uuid" id security group rule create --protocol icmp --remote-ip 10.0.0.0/8 web
	keep RULE
	value 'icmp' protocol security group rule show "$RULE"
	ok '' security group rule delete "$RULE"
	value 'tcp 80:80; None; None' IP+Protocol,Port+Range security group rule list web --sort-column 'Port Range' --sort-descending
	value 'default; web' Name security group list --sort-column Name
	ok '' security group set --name www web
	ok '' port set --security-group www p1
	no '409' security group delete www
	value ACTIVE status router create gate
	ok '' router add subnet gate work-v4
	ok '' router add subnet gate private-v4
	ok '' router set --external-gateway public gate
	ok '.*enable_snat.*' router show gate -f value -c external_gateway_info
	value gate Name router list
	value "$uuid" id floating ip create public
	keep FIP
	ok '' floating ip set --port p1 "$FIP"
	value '10.20.0.15' fixed_ip_address floating ip show "$FIP"
	value '10.20.0.15' Fixed+IP+Address floating ip list
	no '409' router remove subnet gate work-v4
	no '409' network delete work
	ok '' floating ip unset --port "$FIP"
	value DOWN status floating ip show "$FIP"
	ok '' floating ip delete "$FIP"
	ok '' router unset --external-gateway gate
	ok '' router remove subnet gate work-v4
	ok '' router remove subnet gate private-v4
	ok '' router delete gate
	ok '' port delete p1
	ok '' security group delete www
	ok '' network delete work
	no 'No Network' network show work
	no '403|HTTP 404|No Network' network delete public
	no '403' network create --share shared
	as admin
	value "${NET:-x}" ID network list --name private --project demo
	value True 'shared' network create --share wide
	ok '' network delete wide
	value '.*security-group.*' Alias extension list --network
	ok "$anything" network agent list
	ok "$anything" network service provider list
}

part_lifecycle() {
	as demo
	value 'me; ACTIVE' status,key_name server create --wait --image prepared --flavor m1.nano --network private --key-name me --security-group default --user-data "$dir/user-data" --property role=web --property tier=1 --config-drive True --availability-zone nova alpha
	value "$uuid" id server show alpha
	keep ALPHA
	value 'nova; True' config_drive,OS-EXT-AZ:availability_zone server show alpha
	ok "\{'role': 'web', 'tier': '1'\}" server show alpha -f value -c properties
	ok "\{'private': \['10.10.0.[0-9]+'\]\}" server show alpha -f value -c addresses
	ok '.*login:.*' console log show alpha
	ok '.*login:.*' console log show --lines 2 alpha
	ok '' server stop alpha
	becomes alpha SHUTOFF
	no 'while it is in vm_state stopped.*HTTP 409' server stop alpha
	no '409.*while it is in vm_state stopped' server pause alpha
	ok '' server start alpha
	becomes alpha ACTIVE
	no 'HTTP 409' server start alpha
	ok "$anything" server reboot --wait --soft alpha
	becomes alpha ACTIVE
	ok "$anything" server reboot --wait --hard alpha
	becomes alpha ACTIVE
	ok '' server pause alpha
	becomes alpha PAUSED
	no '409.*while it is in vm_state paused' server suspend alpha
	ok '' server unpause alpha
	becomes alpha ACTIVE
	ok '' server suspend alpha
	becomes alpha SUSPENDED
	ok '' server resume alpha
	becomes alpha ACTIVE
	ok '' server lock alpha
	no 'is locked .HTTP 409' server stop alpha
	ok '' server unlock alpha
	ok '' --os-compute-api-version 2.73 server lock --reason busy alpha
	value 'True; busy' locked,locked_reason --os-compute-api-version 2.73 server show alpha
	value alpha Name --os-compute-api-version 2.73 server list --locked
	ok '' server unlock alpha
	ok '' server set --name beta --property tier=2 --property extra=x alpha
	ok "\{'extra': 'x', 'role': 'web', 'tier': '2'\}" server show beta -f value -c properties
	ok '' server unset --property extra beta
	ok "\{'role': 'web', 'tier': '2'\}" server show beta -f value -c properties
	ok '' --os-compute-api-version 2.90 server set --description 'a description' --tag blue --tag red --hostname gamma beta
	value "gamma; a description; .*blue.*red.*" description,OS-EXT-SRV-ATTR:hostname,tags --os-compute-api-version 2.90 server show beta
	ok '' --os-compute-api-version 2.26 server unset --tag blue --description beta
	value beta Name --os-compute-api-version 2.26 server list --tags red
	value '' Name --os-compute-api-version 2.26 server list --tags blue
	value '' Name --os-compute-api-version 2.26 server list --not-tags red --name beta
	value '(.*; )?create(; .*)?' Action server event list beta
	value "req-$uuid" Request+ID --os-compute-api-version 2.58 server event list beta --limit 1
	keep REQUEST
	value "reboot|unlock|lock|stop|start|resume|suspend|create" action server event show beta "$REQUEST"
	no 'HTTP 404' server event show beta req-00000000-0000-4000-8000-000000000000
	ok '' server delete --wait beta
	no 'No server with a name or ID' server show "$ALPHA"
	value 'create(; [a-z]+)*; delete' Action --os-compute-api-version 2.21 server event list "$ALPHA" --sort-column 'Start Time'
}

part_lists() {
	as demo
	value "$anything" name server create --flavor m1.nano --image prepared --network private --min 2 --max 3 --wait many
	value 'many-1; many-2; many-3' Name server list --name many --sort-column Name
	ok "$anything" server create --flavor m1.tiny --image prepared --network private --wait -f value -c status solo
	value "$uuid" id server show solo
	keep SOLO
	ok "solo ACTIVE \{'private': \['10.10.0.[0-9]+'\]\} prepared m1.tiny" server list --name '^solo$' --long -f value -c Name -c Status -c Networks -c 'Image Name' -c 'Flavor Name'
	value solo Name server list --flavor m1.tiny
	value 'many-1; many-2; many-3; solo' Name server list --image prepared --sort-column Name --name 'many|solo'
	ok '' server stop solo
	becomes solo SHUTOFF
	value solo Name server list --status SHUTOFF --name solo
	value '' Name server list --status ERROR
	value solo Name server list --vm-state stopped --name solo
	value 'solo' Name server list --limit 1 --name solo
	value 'many-[123]; many-[123]' Name server list --limit 2 --name many
	value "$uuid" ID server list --limit 1 --name many
	keep FIRST
	value 'many-[123]; many-[123]' Name server list --marker "$FIRST" --name many
	no 'No server with a name or ID' server list --marker 00000000-0000-4000-8000-000000000000 --name many
	value solo Name server list --changes-since 2020-01-01T00:00:00 --name solo
	value '' Name server list --changes-since 2099-01-01T00:00:00
	no 'Invalid|HTTP 400' server list --changes-since yesterday
	value '' Name --os-compute-api-version 2.66 server list --changes-before 2020-01-01T00:00:00
	ok "\{'private': \['10.10.0.[0-9]+'\]\}" server show solo -f value -c addresses
	value solo Name server list --ip "$(grep -oE '10[0-9.]+' <<<"$printed")\$"
	ok '' server delete --wait many-1 many-2 many-3
	ok '\{\}' --os-compute-api-version 2.37 server create --flavor m1.nano --image prepared --nic none --wait -f value -c addresses bare
	ok "\{'private': \['10.10.0.[0-9]+'\]\}" server create --flavor m1.nano --image prepared --wait -f value -c addresses unsaid
	value "$anything" name port create --network private held
	value ACTIVE status server create --flavor m1.nano --image prepared --port held --wait holder
	ok "\[\{'ip_address': '10.10.0.[0-9]+', 'subnet_id': '$uuid'\}\]" port show held -f value -c fixed_ips
	value holder Name server list --ip "$(grep -oE '10[.][0-9.]+' <<<"$printed")\$"
	value "$uuid; compute:nova" device_owner,device_id port show held
	no 'No Network|HTTP 400|could not be found' server create --flavor m1.nano --image prepared --network nowhere nowhere
	no 'No Image' server create --flavor m1.nano --image nothing --network private nothing
	no 'HTTP 40[04]|No flavor' server create --flavor none --image prepared --network private nothing
	no 'HTTP 400' server create --flavor m1.nano --image prepared --network private --key-name nobody nothing
	no 'HTTP 40[03]' server create --flavor m1.nano --image prepared --network private --availability-zone mars nothing
	no 'No SecurityGroup' server create --flavor m1.nano --image prepared --network private --security-group nogroup nothing
	no 'HTTP 403' server create --flavor m1.nano --image prepared --network private --min 9 --max 9 toomany
	no 'HTTP 403' server create --flavor m1.xlarge --image prepared --network private --min 3 --max 3 toobig
	ok '' server delete --wait solo bare unsaid holder
	value '' device_id port show held
	ok '' port delete held
	value '' Name server list --name 'many|solo|bare|unsaid|holder'
	as admin
	value "$SOLO" ID server list --all-projects --deleted --name '^solo$'
}

part_flavors() {
	as admin
	value '.*m1.tiny.*' Name flavor list --all
	ok '.*m1.tiny 512 1 0 1 True .*' flavor list --all --long -f value -c Name -c RAM -c Disk -c Ephemeral -c VCPUs -c 'Is Public' -c Properties --sort-column Name
	value "2; 1; False; 64; 2.0; 128; 3" ram,disk,OS-FLV-EXT-DATA:ephemeral,swap,vcpus,rxtx_factor,os-flavor-access:is_public flavor create --id f-lab --ram 64 --disk 1 --ephemeral 2 --swap 128 --vcpus 3 --rxtx-factor 2.0 --private --project demo --property hw:cpu_policy=shared lab
	no 'HTTP 409|ConflictException: 409' flavor create --id f-lab --ram 64 --vcpus 1 again
	no '400' flavor create --ram 0 --vcpus 1 nothing
	value f-lab id flavor show lab
	ok "\{'hw:cpu_policy': 'shared'\}" flavor show lab -f value -c properties
	ok '' flavor set --property hw:mem_page_size=large lab
	ok ".*hw:mem_page_size.*large.*" flavor show lab -f value -c properties
	ok '' flavor unset --property hw:mem_page_size lab
	value lab Name flavor list --private
	ok "\['?$hex32'?\]|$hex32" flavor show lab -f value -c access_project_ids
	as demo
	value '.*(^|; )lab(; .*)?|lab.*' Name flavor list --sort-column Name
	no '403' flavor create --ram 64 --vcpus 1 mine
	no '403' flavor set --property a=b m1.nano
	as admin
	ok '' flavor unset --project demo lab
	as demo
	no 'No Flavor|No flavor' flavor show lab
	as admin
	ok '' flavor set --project demo lab
	no '409' flavor set --project demo lab
	ok '' --os-compute-api-version 2.55 flavor set --description 'for the lab' lab
	value 'for the lab' description --os-compute-api-version 2.61 flavor show lab
	ok '' flavor delete lab
	no 'No Flavor|No flavor' flavor show lab
	value '[0-9.a-z; ]+' Name flavor list --min-ram 1000 --min-disk 20
	value 'm1.[a-z]+; m1.[a-z]+' Name flavor list --limit 2
}

part_keypairs() {
	as demo
	ok '-----BEGIN [A-Z ]*PRIVATE KEY-----.*' keypair create made
	value 'made ssh; me ssh' Name,Type --os-compute-api-version 2.35 keypair list --sort-column Name --limit 1
	value 'made' name keypair show made
	ok 'ssh-(rsa|ed25519) .*' keypair show --public-key made
	no '409' keypair create --public-key "$dir/key.pub" me
	no '400' keypair create --public-key "$dir/user-data" wrong
	ok '' keypair delete made
	no '404|No Keypair' keypair show made
	value 'me' Name keypair list
	no '403' keypair list --user admin
	as admin
	value me Name --os-compute-api-version 2.10 keypair list --user demo
	value '' Name keypair list
}

part_hosts() {
	as admin
	value '.*nova-compute fake-1 nova enabled up; nova-compute fake-2 nova enabled up.*' Binary,Host,Zone,Status,State compute service list --sort-column Host
	value 'fake-2 enabled' Host,Status compute service list --service nova-compute --host fake-2
	ok '' compute service set --disable --disable-reason maintenance fake-2 nova-compute
	value 'disabled maintenance' Status,Disabled+Reason compute service list --service nova-compute --host fake-2 --long
	ok '' compute service set --enable fake-2 nova-compute
	value enabled Status compute service list --service nova-compute --host fake-2
	ok '' --os-compute-api-version 2.53 compute service set --disable fake-2 nova-compute
	ok '' --os-compute-api-version 2.53 compute service set --enable fake-2 nova-compute
	value 'True|False' Forced+Down --os-compute-api-version 2.11 compute service list --service nova-compute --host fake-2 --long
	no 'No service|404|not found' compute service set --disable fake-9 nova-compute
	value 'fake-1 up; fake-2 up' Hypervisor+Hostname,State hypervisor list --sort-column 'Hypervisor Hostname'
	value 'fake-1' Hypervisor+Hostname hypervisor list --matching fake-1
	no 'No hypervisor|404' hypervisor show fake-9
	value 'fake-1' hypervisor_hostname hypervisor show fake-1
	value 'fake-1' hypervisor_hostname --os-compute-api-version 2.88 hypervisor show fake-1
	value 'rack1' name aggregate create --property ssd=true rack1
	ok '.*fake-1.*' aggregate add host rack1 fake-1
	value 'rack1' Name aggregate list
	value '.*fake-1.*' hosts aggregate show rack1
	ok '' aggregate set --name rack2 rack1
	ok '' aggregate unset --property ssd rack2
	ok '.*rack2.*' aggregate remove host rack2 fake-1
	ok '' aggregate delete rack2
	value 2 count hypervisor stats show
	no '.' --os-compute-api-version 2.88 hypervisor stats show
	value 'internal available; nova available' Zone+Name,Zone+Status availability zone list --compute
	value '.*fake-1.*' Host+Name availability zone list --compute --long
	ok '.*maxTotalInstances 10.*' limits show --absolute -f value
	ok '' limits show --rate -f value
	ok '.*maxTotalCores 20.*' limits show --absolute --project demo -f value
	value '2.104' Max+Microversion versions show --service compute --status CURRENT
	as demo
	no '403' compute service list
	no '403' hypervisor list
	no '403' hypervisor stats show
	no '403' compute service set --disable fake-1 nova-compute
	value 'nova available' Zone+Name,Zone+Status availability zone list --compute
	value 'nova available' Zone+Name,Zone+Status availability zone list --compute --long
	ok '.*maxTotalInstances 10.*' limits show --absolute -f value
}

part_groups() {
	as demo
	value 'apart; anti-affinity' name,policy --os-compute-api-version 2.64 server group create --policy anti-affinity --rule max_server_per_host=1 apart
	value "\\{'max_server_per_host': 1\\}" rules --os-compute-api-version 2.64 server group show apart
	value "together; .*affinity.*" name,policy --os-compute-api-version 2.64 server group create --policy affinity together
	value "$uuid" id server group show together
	keep GROUP
	value 'soft; soft-affinity' name,policy --os-compute-api-version 2.64 server group create --policy soft-affinity soft
	value 'apart; soft; together' Name server group list --sort-column Name
	value 'apart anti-affinity; soft soft-affinity; together affinity' Name,Policy --os-compute-api-version 2.64 server group list --sort-column Name
	no '2.15 or greater' --os-compute-api-version 2.14 server group create --policy soft-affinity old
	no 'Only anti-affinity policy supports rules' --os-compute-api-version 2.64 server group create --policy affinity --rule max_server_per_host=2 wrong
	value 'ACTIVE' status server create --wait --flavor m1.nano --image prepared --network private --hint group="$GROUP" first
	value 'ACTIVE' status server create --wait --flavor m1.nano --image prepared --network private --hint group="$GROUP" second
	value "$uuid" id server show first
	keep FIRST
	ok ".*$FIRST.*" server group show together -f value -c members
	ok ".*$GROUP.*" --os-compute-api-version 2.71 server show first -f value -c server_groups
	no 'Instance group .* could not be found|400' server create --flavor m1.nano --image prepared --network private --hint group=00000000-0000-0000-0000-000000000000 lost
	as admin
	value '.*together.*' Name server group list --all-projects
	as demo
	value "$(quietly server show first -f value -c hostId)" hostId server show second
	value "$uuid" id server group show apart
	keep APART
	value 'ACTIVE' status server create --wait --flavor m1.nano --image prepared --network private --hint group="$APART" one
	value 'ACTIVE' status server create --wait --flavor m1.nano --image prepared --network private --hint group="$APART" two
	ok 'Error creating server' server create --wait --flavor m1.nano --image prepared --network private --hint group="$APART" three
	ok ".*No valid host was found.*anti-affinity group.*" server show three -f value -c fault
	ok '' server delete three
	ok '' server delete --wait one two
	ok '' server delete --wait first second
	value '\[\]' members server group show together
	ok '' server group delete together apart soft
	value '' Name server group list
}

part_placement() {
	local v
	as admin
	value "$uuid" uuid resource provider create rack-1
	keep RACK
	value 'rack-1-numa0' name resource provider create --parent-provider "$RACK" --uuid 11111111-2222-4333-8444-555555555555 rack-1-numa0
	keep_as NUMA 11111111-2222-4333-8444-555555555555
	no 'Conflicting resource provider name: rack-1 already exists.*HTTP 409' resource provider create rack-1
	value 'rack-1; rack-1-numa0' name resource provider list --in-tree "$NUMA" --sort-column name
	value 'rack-1' name resource provider list --name rack-1
	value "$NUMA $RACK $RACK" uuid,root_provider_uuid,parent_provider_uuid resource provider list --uuid "$NUMA"
	value "rack-1-numa0; $RACK" name,parent_provider_uuid resource provider show "$NUMA"
	value 'rack-1-cell0' name resource provider set --name rack-1-cell0 "$NUMA"
	no 'creating loop in the provider tree is not allowed.*HTTP 400' --os-placement-api-version 1.14 resource provider set --name rack-1 --parent-provider "$NUMA" "$RACK"
	no 'HTTP 404' resource provider show 00000000-0000-0000-0000-000000000000

	ok '' resource class create CUSTOM_GOLD
	no 'HTTP 409' resource class create CUSTOM_GOLD
	value 'CUSTOM_GOLD' name resource class show CUSTOM_GOLD
	value '(.*; )?CUSTOM_GOLD(; .*)?VCPU(; .*)?' name resource class list --sort-column name
	ok '' resource class set CUSTOM_SILVER
	ok '' resource class set CUSTOM_SILVER
	ok '' resource class delete CUSTOM_SILVER
	no 'HTTP 404' resource class show CUSTOM_SILVER
	no 'HTTP 400' resource class delete VCPU
	no 'HTTP 400' resource class create GOLD

	value 'CUSTOM_GOLD 4.0 5 100 10 5 200' resource_class,allocation_ratio,min_unit,max_unit,reserved,step_size,total resource provider inventory set "$RACK" --resource CUSTOM_GOLD=200 --resource CUSTOM_GOLD:allocation_ratio=4.0 --resource CUSTOM_GOLD:max_unit=100 --resource CUSTOM_GOLD:reserved=10 --resource CUSTOM_GOLD:step_size=5 --resource CUSTOM_GOLD:min_unit=5
	value 'CUSTOM_GOLD 200; VCPU 16' resource_class,total resource provider inventory set "$RACK" --amend --resource VCPU=16 --sort-column resource_class
	value 'CUSTOM_GOLD 300; VCPU 16' resource_class,total resource provider inventory set "$RACK" --amend --dry-run --resource CUSTOM_GOLD=300 --sort-column resource_class
	value 'CUSTOM_GOLD 200 0; VCPU 16 0' resource_class,total,used resource provider inventory list "$RACK" --sort-column resource_class
	value '4.0; 100; 10; 200; 0' allocation_ratio,max_unit,reserved,total,used resource provider inventory show "$RACK" CUSTOM_GOLD
	value '32; 8' max_unit,total resource provider inventory class set "$RACK" VCPU --total 8 --max_unit 32
	no 'HTTP 400' resource provider inventory class set "$RACK" VCPU --total -1
	no 'HTTP 400' resource provider inventory set "$RACK" --resource CUSTOM_LEAD=1
	ok '' resource provider inventory delete "$RACK" --resource-class VCPU
	no 'HTTP 404' resource provider inventory show "$RACK" VCPU
	value 'MEMORY_MB 4096' resource_class,total resource provider inventory set "$NUMA" --resource MEMORY_MB=4096

	value 'aaaaaaaa-2222-4333-8444-555555555555' uuid resource provider aggregate set --aggregate aaaaaaaa-2222-4333-8444-555555555555 --generation "$(quietly resource provider show "$RACK" -f value -c generation)" "$RACK"
	no 'HTTP 409' resource provider aggregate set --aggregate aaaaaaaa-2222-4333-8444-555555555555 --generation 0 "$RACK"
	value 'aaaaaaaa-2222-4333-8444-555555555555' uuid resource provider aggregate list "$RACK"
	value 'rack-1' name resource provider list --member-of aaaaaaaa-2222-4333-8444-555555555555
	value "$RACK CUSTOM_GOLD 250" resource_provider,resource_class,total resource provider inventory set aaaaaaaa-2222-4333-8444-555555555555 --aggregate --amend --resource CUSTOM_GOLD=250

	ok '' trait create CUSTOM_SHINY
	ok '' trait create CUSTOM_SHINY
	value CUSTOM_SHINY name trait show CUSTOM_SHINY
	value 'CUSTOM_SHINY' name trait list --name startswith:CUSTOM_SHINY
	value '(.*; )?HW_CPU_X86_AVX2(; .*)?' name trait list
	no 'HTTP 400' trait create SHINY
	no 'HTTP 400' trait delete HW_CPU_X86_AVX2
	value 'CUSTOM_SHINY; HW_CPU_X86_AVX' name resource provider trait set --trait CUSTOM_SHINY --trait HW_CPU_X86_AVX "$RACK" --sort-column name
	value 'CUSTOM_SHINY; HW_CPU_X86_AVX' name resource provider trait list "$RACK" --sort-column name
	value '.*CUSTOM_SHINY.*' name trait list --associated
	no 'HTTP 409' trait delete CUSTOM_SHINY
	no 'HTTP 400' resource provider trait set --trait CUSTOM_NONE "$RACK"
	value 'rack-1' name resource provider list --required CUSTOM_SHINY --forbidden HW_CPU_X86_AVX2

	value "CUSTOM_GOLD=10 $RACK CUSTOM_GOLD=0/960" allocation,resource+provider,inventory+used/capacity allocation candidate list --resource CUSTOM_GOLD=10
	ok ".*$RACK.*" allocation candidate list --resource CUSTOM_GOLD=10 --required CUSTOM_SHINY --forbidden HW_CPU_X86_AVX2 --member-of aaaaaaaa-2222-4333-8444-555555555555 --limit 1
	ok '' allocation candidate list --resource CUSTOM_GOLD=10 --forbidden CUSTOM_SHINY -f value
	ok '' allocation candidate list --resource CUSTOM_GOLD=10 --member-of bbbbbbbb-2222-4333-8444-555555555555 -f value
	ok ".*$RACK.*" --os-placement-api-version 1.39 allocation candidate list --resource CUSTOM_GOLD=10 --required HW_CPU_X86_AVX2,CUSTOM_SHINY
	ok ".*$RACK.*$NUMA.*|.*$NUMA.*$RACK.*" allocation candidate list --group 1 --resource CUSTOM_GOLD=10 --required CUSTOM_SHINY --group 2 --resource MEMORY_MB=64 --group-policy isolate
	no 'HTTP 400' allocation candidate list --resource CUSTOM_LEAD=1
	no 'HTTP 400' allocation candidate list --resource VCPU=0

	value "$RACK.*CUSTOM_GOLD.*20.*" resource_provider,resources resource provider allocation set 99999999-2222-4333-8444-555555555555 --allocation "rp=$RACK,CUSTOM_GOLD=20" --project-id lab --user-id ann
	keep_as CONSUMER 99999999-2222-4333-8444-555555555555
	value "$RACK.*CUSTOM_GOLD.*20.*ann.*|$RACK.*CUSTOM_GOLD.*20.*" resource_provider,resources resource provider allocation show "$CONSUMER"
	no 'HTTP 409' resource provider allocation set "$CONSUMER" --allocation "rp=$RACK,CUSTOM_GOLD=5000" --project-id lab --user-id ann
	value "$RACK.*25.*$NUMA.*512.*|$NUMA.*512.*$RACK.*25.*" resource_provider,resources --os-placement-api-version 1.38 resource provider allocation set "$CONSUMER" --allocation "rp=$RACK,CUSTOM_GOLD=25" --allocation "rp=$NUMA,MEMORY_MB=512" --project-id lab --user-id ann --consumer-type MIGRATION
	value 'CUSTOM_GOLD 25' resource_class,usage resource provider usage show "$RACK"
	ok '.*CUSTOM_GOLD 25.*MEMORY_MB 512.*|.*MEMORY_MB 512.*CUSTOM_GOLD 25.*' resource usage show lab --user-id ann -f value
	ok "\\{'$CONSUMER': .*CUSTOM_GOLD.*" resource provider show --allocations "$RACK" -f value -c allocations
	no 'HTTP 409' resource provider inventory delete "$RACK" --resource-class CUSTOM_GOLD
	no 'HTTP 409' resource provider delete "$NUMA"
	value "$RACK.*CUSTOM_GOLD.*" resource_provider,resources --os-placement-api-version 1.38 resource provider allocation unset "$CONSUMER" --provider "$NUMA"
	ends 3 kilonova manage placement audit --state-dir "$dir/state" --resource_provider "$RACK" --verbose
	ends 4 kilonova manage placement audit --state-dir "$dir/state" --resource_provider "$RACK" --verbose --delete
	ok 'Processed 0 allocations.' kilonova manage placement audit --state-dir "$dir/state" --resource_provider "$RACK" --verbose
	value '' resource_provider resource provider allocation show "$CONSUMER"
	value "$RACK.*" resource_provider,resources resource provider allocation set "$CONSUMER" --allocation "rp=$RACK,CUSTOM_GOLD=20" --project-id lab --user-id ann
	ok '' resource provider allocation delete "$CONSUMER"
	no 'HTTP 404' resource provider allocation delete "$CONSUMER"

	as demo
	no 'HTTP 403' resource provider create mine
	no 'HTTP 403' resource provider list
	no 'HTTP 403' resource provider show "$RACK"
	no 'HTTP 403' resource provider set --name mine "$RACK"
	no 'HTTP 403' resource provider delete "$RACK"
	no 'HTTP 403' resource provider inventory set "$RACK" --resource VCPU=1
	no 'HTTP 403' resource provider inventory list "$RACK"
	no 'HTTP 403' resource provider inventory show "$RACK" CUSTOM_GOLD
	no 'HTTP 403' resource provider inventory delete "$RACK"
	no 'HTTP 403' resource provider inventory class set "$RACK" VCPU --total 1
	no 'HTTP 403' resource provider aggregate list "$RACK"
	no 'HTTP 403' resource provider aggregate set --generation 0 "$RACK"
	no 'HTTP 403' resource provider trait list "$RACK"
	no 'HTTP 403' resource provider trait set --trait CUSTOM_SHINY "$RACK"
	no 'HTTP 403' resource provider trait delete "$RACK"
	no 'HTTP 403' resource provider usage show "$RACK"
	no 'HTTP 403' resource provider allocation show "$CONSUMER"
	no 'HTTP 403' resource provider allocation set "$CONSUMER" --allocation "rp=$RACK,CUSTOM_GOLD=20" --project-id lab --user-id ann
	no 'HTTP 403' resource provider allocation unset "$CONSUMER" --provider "$RACK"
	no 'HTTP 403' resource provider allocation delete "$CONSUMER"
	no 'HTTP 403' trait list
	no 'HTTP 403' trait show CUSTOM_SHINY
	no 'HTTP 403' trait create CUSTOM_MINE
	no 'HTTP 403' trait delete CUSTOM_SHINY
	no 'HTTP 403' resource class list
	no 'HTTP 403' resource class show CUSTOM_GOLD
	no 'HTTP 403' resource class create CUSTOM_MINE
	no 'HTTP 403' resource class set CUSTOM_MINE
	no 'HTTP 403' resource class delete CUSTOM_GOLD
	no 'HTTP 403' allocation candidate list --resource VCPU=1
	no 'HTTP 403' resource usage show lab
	ok "$anything" resource usage show "$(quietly token issue -f value -c project_id)"

	as admin
	for v in 1.0 1.10 1.29 1.39; do
		value rack-1 name --os-placement-api-version $v resource provider show "$RACK"
		value 'CUSTOM_GOLD' resource_class --os-placement-api-version $v resource provider inventory list "$RACK"
	done
	ok '' resource provider trait delete "$RACK"
	ok '' trait delete CUSTOM_SHINY
	ok '' resource provider inventory delete "$RACK"
	no 'HTTP 409' resource provider delete "$RACK"
	ok '' resource provider delete "$NUMA"
	ok '' resource provider delete "$RACK"
	ok '' resource class delete CUSTOM_GOLD
	value '' name resource provider list --name rack-1
}

part_explain() {
	as demo
	value ACTIVE status server create --wait --flavor m1.nano --image prepared --network private placed
	value "$uuid" id server show placed
	keep PLACED
	ok ".*$PLACED.*1 would do.*|.*$PLACED.*2 would do.*" kilonova explain placed
	no 'no server nothing' kilonova explain nothing
	as admin
	ok '.*fake-[12].*' kilonova explain "$PLACED"
	ok '\{.*"asked":.*\}' kilonova explain "$PLACED" -o json
	ok '.*fake-[12].*' kilonova explain --state-dir "$dir/state" placed
	value "$uuid" id flavor create --ram 64 --vcpus 1 --disk 9999999 giant
	as demo
	ok 'Error creating server' server create --wait --flavor giant --image prepared --network private toolarge
	ok '.*DISK_GB.*' kilonova explain toolarge
	ok '.*No valid host was found.*DISK_GB.*' server show toolarge -f value -c fault
	ok '' server delete toolarge
	as admin
	ok '' flavor delete giant

	ends 4 kilonova manage placement heal_allocations --state-dir "$dir/state" --instance "$PLACED"
	ok ".*MEMORY_MB.*" resource provider allocation show "$PLACED"
	ok '' resource provider allocation delete "$PLACED"
	ok ".*$PLACED.*Processed 1 instances." kilonova manage placement heal_allocations --state-dir "$dir/state" --instance "$PLACED" --dry-run
	value '' resource_provider resource provider allocation show "$PLACED"
	ok ".*$PLACED.*Processed 1 instances." kilonova manage placement heal_allocations --state-dir "$dir/state" --instance "$PLACED"
	value ".*'MEMORY_MB': 128.*" resources resource provider allocation show "$PLACED"
	no 'mutually exclusive' kilonova manage placement heal_allocations --state-dir "$dir/state" --instance "$PLACED" --cell x
	ends 127 kilonova manage placement heal_allocations --state-dir "$dir/state" --max-count 0
	ok 'Changed the aggregates of [0-9]+ resource providers.' kilonova manage placement sync_aggregates --state-dir "$dir/state"
	ok '.*placed +│ 100 .*' kilonova sim --hosts 20:64:262144:4000 --requests 100 --seed 7
	ok '\{.*"placed": 100,.*\}' kilonova sim --hosts 20:64:262144:4000 --requests 100 --seed 7 -o json
	ends 2 kilonova sim --hosts 20
	ok '.*scenario 1 +│ +0 │ +2 │.*' kilonova what-if --add fake-1:2
	ok '.*│ create +│ m1.nano +│ +3 │.*' kilonova what-if --create m1.nano:3
	ok '\{.*"fits": true,.*\}' kilonova what-if --create m1.nano:3 --policy anti-affinity --add fake-2:1 -o json --state-dir "$dir/state"
	no 'Flavor giants could not be found' kilonova what-if --create giants:1
	ends 2 kilonova what-if --create m1.nano
	ends 2 kilonova what-if
	ok '.*│ all +│ +│ +[0-9]+ │ 2 of 2 +│.*' kilonova capacity m1.nano
	ok '\{.*"hosts_in_all": 2,.*\}' kilonova capacity m1.nano -o json
	no 'Flavor giants could not be found' kilonova capacity giants
	ends 2 kilonova capacity
	as demo
	no "Policy doesn't allow kilonova:placement:what-if" kilonova what-if --lose fake-1
	no "Policy doesn't allow kilonova:capacity" kilonova capacity m1.nano
	as demo
	ok '' server delete --wait placed
}

part_versions() {
	local v
	as demo
	value ACTIVE status server create --flavor m1.nano --image prepared --network private --wait versioned
	for v in 2.1 2.37 2.52 2.73 2.90 2.92 2.latest; do
		value versioned Name --os-compute-api-version $v server list --name versioned
		value 'versioned; ACTIVE' name,status --os-compute-api-version $v server show versioned
		value '.*m1.nano.*' Name --os-compute-api-version $v flavor list
		value m1.nano name --os-compute-api-version $v flavor show m1.nano
		value me name --os-compute-api-version $v keypair show me
	done
	no 'versions supported by client' --os-compute-api-version 2.96 server list
	value "$uuid" id --os-compute-api-version 2.90 server create --flavor m1.nano --image prepared --network private --description words --tag one --tag two --hostname named --wait newer
	value "named; words; .*one.*two.*" description,OS-EXT-SRV-ATTR:hostname,tags --os-compute-api-version 2.90 server show newer
	ok "\{'private': \['10.10.0.[0-9]+'\]\}" --os-compute-api-version 2.latest server create --flavor m1.nano --image prepared --nic auto --wait -f value -c addresses automatic
	ok '' server delete --wait versioned newer automatic
	as admin
	for v in 2.1 2.53 2.87 2.92; do
		value 'fake-1; fake-2' Hypervisor+Hostname --os-compute-api-version $v hypervisor list --sort-column 'Hypervisor Hostname'
		value 'fake-1; fake-2' Host --os-compute-api-version $v compute service list --service nova-compute --sort-column Host
	done
}

part_strangers() {
	as admin
	value "$uuid" id network create secret
	keep SECRET
	value "$uuid" id subnet create --network secret --subnet-range 10.30.0.0/24 secret-v4
	value ACTIVE status server create --flavor m1.nano --image prepared --network secret --wait hidden
	value "$uuid" id server show hidden
	keep HIDDEN
	ok '.*fake-[12].*' server show hidden -f value -c OS-EXT-SRV-ATTR:host -c OS-EXT-SRV-ATTR:hypervisor_hostname -c OS-EXT-SRV-ATTR:instance_name
	as demo
	value '' Name server list --name hidden
	no 'No server with a name or ID' server show hidden
	no 'No server with a name or ID' server show "$HIDDEN"
	no 'No server with a name or ID' server delete "$HIDDEN"
	no 'No Server found' console log show "$HIDDEN"
	no 'No Network|No network' network show secret
	no 'No Network|HTTP 400|could not be found' server create --flavor m1.nano --image prepared --nic "net-id=$SECRET" spy
	no '403' server list --all-projects
	value ACTIVE status server create --flavor m1.nano --image prepared --network private --wait plain
	no 'No recognized column names' server show plain -f value -c OS-EXT-SRV-ATTR:host
	no '403' server set --state error plain
	no '403' server create --flavor m1.nano --image prepared --network private --availability-zone nova:fake-1 forced
	no '403' --os-compute-api-version 2.74 server create --flavor m1.nano --image prepared --network private --host fake-1 forced
	as admin
	value 'hidden; plain' Name server list --all-projects --name 'hidden|plain' --sort-column Name
	value plain Name server list --all-projects --project demo --name plain
	value fake-2 OS-EXT-SRV-ATTR:host server create --flavor m1.nano --image prepared --network secret --availability-zone nova:fake-2 --wait pinned
	value pinned Name server list --all-projects --host fake-2 --name pinned
	ok '' server set --state error hidden
	becomes hidden ERROR
	ok '' server set --state active hidden
	becomes hidden ACTIVE
	ok '' --os-compute-api-version 2.73 server lock --reason mine hidden
	ok '' server delete --wait hidden pinned
	as demo
	ok '' server delete --wait plain
}

part_not_built() {
	as demo
	value ACTIVE status server create --flavor m1.nano --image prepared --network private --wait still
	no '404' server add network still private
	no 'No Port found' server add port still nothing
	no 'endpoint for block-storage' server add volume still nothing
	no '501' server remove network still private
	no '404' server migration list
	no '404' usage show
	no '404' quota show
	no '404' console url show still
	no 'HTTP 400' server resize --flavor m1.tiny still
	no '400' server image create still
	no '400' server rescue still
	no '400' server shelve still
	no '400' server rebuild still
	no '400' server migrate still
	value ACTIVE status server show still
	ok '' server delete --wait still
	as admin
	no '404' server migration list
	no '404' quota show demo
	no '404' quota set --cores 5 demo
	no '404' usage list
	no '404' host list
	no '404|endpoint' volume list
}

part_nova() {
	as demo
	ok '.*m1.nano.*' nova flavor-list
	ok '.*m1.nano.*' nova flavor-show m1.nano
	ok '.*me .*' nova keypair-list
	ok '.*built.*' nova boot --flavor m1.nano --image prepared --nic "net-id=$NET" --key-name me --meta a=b --poll built
	ok '.*built .* ACTIVE .*Running.*' nova list --name built
	ok '.* ACTIVE .*' nova show built
	ok '.*login:.*' nova console-log built
	ok ".*DOWN .*$uuid .*$NET .* 10.10.0.[0-9]+ .*" nova interface-list built
	ok ".*DOWN .*$uuid .*$NET .* 10.10.0.[0-9]+ .*" nova --os-compute-api-version 2.1 interface-list built
	ok '' nova get-password built
	ok '' nova clear-password built
	ok '.*filed.*' nova --os-compute-api-version 2.56 boot --flavor m1.nano --image prepared --nic "net-id=$NET" --config-drive true --file "/etc/mine=$dir/user-data" --poll filed
	no 'Personality content limit exceeded|HTTP 4' nova --os-compute-api-version 2.56 boot --flavor m1.nano --image prepared --nic "net-id=$NET" --file "/etc/mine=$dir/large" toolarge
	no 'unrecognized arguments|--file' nova --os-compute-api-version 2.57 boot --flavor m1.nano --image prepared --nic "net-id=$NET" --file "/etc/mine=$dir/user-data" toonew
	ok "$anything" nova delete filed
	ok "$anything" nova stop built
	becomes built SHUTOFF
	ok "$anything" nova start built
	becomes built ACTIVE
	ok "$anything" nova reboot --hard --poll built
	ok '' nova lock built
	ok '' nova unlock built
	ok '' nova meta built set c=d
	ok '' nova meta built delete a
	ok '.*"c": "d".*' nova show built
	ok "$anything" nova server-tag-add built blue
	ok '.*blue.*' nova server-tag-list built
	ok "$anything" nova update --name built2 built
	ok '.*create.*' nova instance-action-list built2
	ok '.*create.*' nova --os-compute-api-version 2.1 instance-action-list built2
	no 'HTTP 403' nova service-list
	no 'HTTP 403' nova hypervisor-list
	ok '.*nova.*available.*' nova availability-zone-list
	ok '.*2.104.*' nova version-list
	ok '.*Instances.*' nova limits
	ok "$anything" nova delete built2
	as admin
	ok '.*nova-compute.*fake-1.*' nova service-list
	ok '.*fake-2.*' nova hypervisor-list
	ok '.*fake-1.*' nova --os-compute-api-version 2.52 hypervisor-show fake-1
	no 'Invalid uuid fake-1' nova hypervisor-show fake-1
	ok '.*lab2.*' nova flavor-create --description words lab2 auto 64 1 1
	ok '' nova flavor-key lab2 set hw:cpu_policy=shared
	no "'hw:a' does not appear to be a valid extra spec" nova flavor-key lab2 set hw:a=b
	ok "$anything" nova flavor-delete lab2
	ok '.*Availability Zone.*' nova aggregate-list
}

# becomes waits until a server has a status.
becomes() { # server, status
	local _
	for _ in $(seq 20); do
		run openstack server show "$1" -f value -c status
		[ "$printed" = "$2" ] && break
		sleep 0.3
	done
	value "$2" status server show "$1"
}

# all runs every part, a few at a time, and shows each when it ended.
all() {
	local part started=() n=0
	rows=$dir/rows/prepare
	prepare >"$dir/shown/prepare"
	cat "$dir/shown/prepare"
	for part in "$@"; do
		while [ "$(jobs -rp | grep -cv "^$cloud\$")" -ge "$jobs" ]; do
			sleep 0.1
		done
		(rows=$dir/rows/$part && "part_$part" >"$dir/shown/$part") &
		started+=($!)
	done
	for part in "$@"; do
		wait "${started[$n]}" 2>/dev/null # jobs may have told of it already
		n=$((n + 1))
		[ "$table" = yes ] || echo "-- $part"
		cat "$dir/shown/$part"
	done
}

# page prints the table.
page() { # parts...
	local part verdict by line result
	cat <<-END
		# Clients

		What the stock clients of a Debian 12 were made to do with a cloud of simulated hosts, as whom, and what
		the answer had to be: a regular expression for the whole print, or for the words of a refusal. The page is
		printed by \`test/clients.sh --table\`, which ran every line; \`make test\` runs them all.

		$(dpkg-query -W -f "\${Package} \${Version}\n" python3-openstackclient python3-novaclient python3-osc-placement | sed 's/ / /' | paste -sd, | sed 's/,/, /g').
	END
	for part in prepare "$@"; do
		printf '\n## %s\n\n| as | command | result |\n| --- | --- | --- |\n' "${part//_/ }"
		while IFS=$'\t' read -r verdict by line result; do
			[ "$verdict" = ok ] || result='**failed**'
			printf '| %s | `%s` | %s |\n' "$by" "${line//|/\\|}" "${result//|/\\|}"
		done <"$dir/rows/$part"
	done
}

parts=(identity image network lifecycle lists flavors keypairs hosts groups placement explain versions strangers not_built nova)
[ -z "${CLIENTS_PARTS:-}" ] || read -ra parts <<<"$CLIENTS_PARTS"
all "${parts[@]}"
if grep -qE 'panic|level=ERROR' "$dir/log"; then
	printf 'FAIL\tcloud\tits log\tan error or a panic\n' >"$dir/rows/log"
	grep -E 'panic|level=ERROR' "$dir/log" | head -n 20 >&2
fi
passed=$(cat "$dir"/rows/* | grep -c '^ok') failed=$(cat "$dir"/rows/* | grep -c '^FAIL')
if [ "$table" = yes ]; then
	page "${parts[@]}"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]

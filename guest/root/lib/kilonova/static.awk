# The settings of the interface with the address `mac` in a flattened network_data.json, one a line; "dhcp" where it has none.
function bits(n,    count) {
	for (; n > 0; n = int(n / 2)) count += n % 2
	return count
}

function prefix(mask,    part, i, count) {
	if (mask !~ /[.:]/) return mask
	if (mask ~ /\./) {
		for (i = split(mask, part, "."); i > 0; i--) count += bits(part[i])
	} else {
		for (i = length(mask); i > 0; i--) count += bits(index("0123456789abcdef", tolower(substr(mask, i, 1))) - 1)
	}
	return count + 0
}

function cidr(address, mask) {
	return address ~ /\// || mask == "" ? address : address "/" prefix(mask)
}

function nameservers(path,    i, at) {
	for (i = 0; (at = path ".services." i ".") && (at "type") in v; i++)
		if (v[at "type"] == "dns") print "dns " v[at "address"]
}

function network(path,    i, at) {
	if (!((path ".ip_address") in v)) {
		if (v[path ".type"] == "ipv4_dhcp") print "dhcp"
		return
	}
	print "addr " cidr(v[path ".ip_address"], v[path ".netmask"])
	for (i = 0; (at = path ".routes." i ".") && (at "gateway") in v; i++)
		print "route " cidr(v[at "network"], v[at "netmask"]) " via " v[at "gateway"]
	if (i == 0 && (path ".gateway") in v) print "route default via " v[path ".gateway"]
	nameservers(path)
}

BEGIN { FS = "\t" }
{ v[$1] = $2 }

END {
	for (i = 0; (".links." i ".id") in v; i++)
		if (tolower(v[".links." i ".ethernet_mac_address"]) == mac) link = v[".links." i ".id"]
	for (i = 0; link != "" && (".networks." i ".link") in v; i++) {
		if (v[".networks." i ".link"] != link) continue
		found = 1
		network(".networks." i)
	}
	if (!found) {
		print "dhcp"
		exit
	}
	for (i = 0; (".links." i ".id") in v; i++)
		if (v[".links." i ".id"] == link && (".links." i ".mtu") in v) print "mtu " v[".links." i ".mtu"]
	nameservers("")
}

# network_data.json, for the interface with the address $mac: one line a setting, or "dhcp".
def bits: if . == 0 then 0 else . % 2 + (. / 2 | floor | bits) end;
def hex: ascii_downcase | explode | reduce .[] as $c (0; . * 16 + if $c > 96 then $c - 87 else $c - 48 end);
def prefix:
  if type == "number" or test("^[0-9]+$") then .
  elif contains(":") then split(":") | map(select(. != "") | hex | bits) | add // 0
  else split(".") | map(tonumber | bits) | add end;
def cidr($mask): if contains("/") or $mask == null then . else "\(.)/\($mask | prefix)" end;
def nameservers: .services[]? | select(.type == "dns") | "dns \(.address)";
def static:
  . as $net
  | "addr \(.ip_address | cidr($net.netmask))",
    (.routes[]? | . as $route | "route \(.network | cidr($route.netmask)) via \(.gateway)"),
    (select(.gateway and ([.routes[]?] == [])) | "route default via \(.gateway)"),
    nameservers;

([.links[]? | select((.ethernet_mac_address // "" | ascii_downcase) == $mac)][0]) as $link
| [.networks[]? | select($link and .link == $link.id)] as $nets
| if $nets == [] then "dhcp"
  else
    (if $link.mtu then "mtu \($link.mtu)" else empty end),
    ($nets[] | if .ip_address then static elif .type == "ipv4_dhcp" then "dhcp" else empty end),
    nameservers
  end

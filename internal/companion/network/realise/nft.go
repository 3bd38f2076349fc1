package realise

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// revPrefix begins the name of the empty chain that tells which text a table was made
// from.
const revPrefix = "rev_"

// seal makes a rule set of the inside of a table. The text replaces the table whole: it
// is made if it is missing, so that it can be deleted, and made again.
func seal(t Table, inside string) Rules {
	sum := sha256.Sum256([]byte(inside))
	rev := revPrefix + hex.EncodeToString(sum[:8])
	head := fmt.Sprintf("table %s %s", t.Family, t.Name)
	return Rules{Rev: rev, Text: head + " {\n}\ndelete " + head + "\n" + head + " {\n" + inside + chain(rev, "") + "}\n"}
}

// chain prints a chain.
func chain(name, hook string, rules ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tchain %s {\n", name)
	if hook != "" {
		fmt.Fprintf(&b, "\t\t%s\n", hook)
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\t\t%s\n", r)
	}
	b.WriteString("\t}\n")
	return b.String()
}

// set prints a set or a map; what is empty is declared all the same, because rules name it.
func set(kind, name, typ, flags string, elements []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\t%s %s {\n\t\ttype %s\n", kind, name, typ)
	if flags != "" {
		fmt.Fprintf(&b, "\t\t%s\n", flags)
	}
	if len(elements) > 0 {
		fmt.Fprintf(&b, "\t\telements = { %s }\n", strings.Join(elements, ",\n\t\t\t"))
	}
	b.WriteString("\t}\n")
	return b.String()
}

func quote(link string) string { return `"` + link + `"` }

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func sortedPrefixes(m map[netip.Prefix]bool) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.SortFunc(out, comparePrefix)
	return out
}

// disjoint sorts prefixes and leaves out those that lie in another one, because interval
// sets take no overlap.
func disjoint(in []netip.Prefix) []netip.Prefix {
	in = slices.Clone(in)
	slices.SortFunc(in, comparePrefix)
	var out []netip.Prefix
	for _, p := range in {
		if n := len(out); n > 0 && out[n-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
	}
	return out
}

package explain

import (
	"fmt"
	"strings"
)

// NoHost is how Nova's refusal begins.
const NoHost = "No valid host was found. "

// Message is the decision for everybody: without names of hosts.
func (r *Report) Message() string {
	begin := NoHost
	switch {
	case r.Hosts == 0:
		return NoHost + "There are no hosts."
	case r.Passed > 0 && len(r.Refused) == 0:
		return fmt.Sprintf("All of %s would do.", count(r.Hosts, "host"))
	case r.Passed > 0:
		begin = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%sOf %s, ", begin, count(r.Hosts, "host"))
	if r.Passed > 0 {
		fmt.Fprintf(&b, "%d would do, ", r.Passed)
	}
	for i, x := range r.Refused {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s refused %d (%s)", x.By, x.Hosts, x.Reason)
	}
	b.WriteString(".")
	if n := r.Nearest; n != nil && len(n.Changes) > 0 {
		fmt.Fprintf(&b, " It would fit %s.", inWords(n.Changes))
	}
	return b.String()
}

// Details is all that is known, for administrators.
func (r *Report) Details() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s looked at, %d passed.\n", count(r.Hosts, "host"), r.Passed)
	for _, x := range r.Refused {
		fmt.Fprintf(&b, "%s refused %s: %s%s\n", x.By, count(x.Hosts, "host"), x.Reason, named(x.Examples, x.Hosts))
	}
	if n := r.Nearest; n != nil {
		fmt.Fprintf(&b, "Nearest miss: %s at distance %.3g%s\n", count(n.Hosts, "host"), n.Distance, named(n.Examples, n.Hosts))
		for _, m := range n.Misses {
			fmt.Fprintf(&b, "  %s: %s\n", m.By, m.Reason)
		}
		if len(n.Changes) == 0 {
			b.WriteString("  No change that is known would make it fit.\n")
		}
		for _, c := range n.Changes {
			fmt.Fprintf(&b, "  fits %s\n", c.String())
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func named(examples []string, hosts int) string {
	if len(examples) == 0 {
		return ""
	}
	more := ""
	if hosts > len(examples) {
		more = " …"
	}
	return " (" + strings.Join(examples, ", ") + more + ")"
}

// String is the change as what follows "it would fit".
func (c Change) String() string {
	if c.Kind == Amount {
		return "with " + c.Text
	}
	return c.Text
}

func inWords(changes []Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = c.String()
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

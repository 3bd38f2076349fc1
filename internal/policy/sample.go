package policy

import (
	"fmt"
	"strings"
)

// Sample prints rules as a policy file in which every default is a comment: an operator
// uncomments what to change.
func Sample(rules []Rule) string {
	var b strings.Builder
	for _, r := range rules {
		if r.Description != "" {
			fmt.Fprintf(&b, "# %s\n", r.Description)
		}
		for _, o := range r.Operations {
			fmt.Fprintf(&b, "# %s\n", o)
		}
		if len(r.Scopes) > 0 {
			fmt.Fprintf(&b, "# Intended scope(s): %s\n", strings.Join(r.Scopes, ", "))
		}
		fmt.Fprintf(&b, "#%q: %q\n", r.Name, r.Check)
		if d := r.Deprecated; d != nil {
			fmt.Fprintf(&b, "# Deprecated since %s: %q: %q\n", d.Since, d.Name, d.Check)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

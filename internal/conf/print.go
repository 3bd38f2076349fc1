package conf

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

// Sample is a configuration file in which every option stands as a comment with its help
// and its default. The struct that dst points to says which; its values do not matter.
func Sample(dst any) ([]byte, error) {
	opts, err := documented(dst)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	group := ""
	for i := range opts {
		o := &opts[i]
		if o.group != group {
			if group != "" {
				b.WriteString("\n")
			}
			group = o.group
			fmt.Fprintf(&b, "[%s]\n", group)
		}
		b.WriteString("\n")
		for _, line := range wrap(o.help, 92) {
			b.WriteString("# " + line + "\n")
		}
		fmt.Fprintf(&b, "# (%s)\n", o.facts())
		fmt.Fprintf(&b, "#%s = %s\n", o.name, strings.ReplaceAll(o.def, "\n", "\n#  "))
	}
	return b.Bytes(), nil
}

// Reference is the same as a page of documentation in Markdown.
func Reference(dst any) ([]byte, error) {
	opts, err := documented(dst)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	group := ""
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	for i := range opts {
		o := &opts[i]
		if o.group != group {
			group = o.group
			fmt.Fprintf(&b, "\n## [%s]\n\n| option | type | default | meaning |\n|---|---|---|---|\n", group)
		}
		def := ""
		if o.def != "" {
			def = "`" + o.def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.name, cell.Replace(o.facts()), cell.Replace(def), cell.Replace(o.help))
	}
	return bytes.TrimLeft(b.Bytes(), "\n"), nil
}

// documented is every option, those of groups with a star too, each with its help.
func documented(dst any) ([]option, error) {
	opts, err := options(dst)
	if err != nil {
		return nil, err
	}
	var out []option
	for _, o := range opts {
		if o.wild == "" {
			out = append(out, o)
			continue
		}
		if err := collect(reflect.New(o.field.Type().Elem()).Elem(), o.group, &out); err != nil {
			return nil, err
		}
	}
	for i := range out {
		if out[i].help == "" {
			return nil, fmt.Errorf("conf: %s has no help", &out[i])
		}
	}
	return sorted(out), nil
}

// facts are the type and what is allowed, in words.
func (o *option) facts() string {
	facts := []string{string(o.kind)}
	if b := o.bounds(); b != "" {
		facts = append(facts, b)
	}
	if o.choices != nil {
		facts = append(facts, "one of "+strings.Join(o.choices, ", "))
	}
	if o.match != nil {
		facts = append(facts, "matches "+o.match.String())
	}
	if o.ptr {
		facts = append(facts, "may be unset")
	}
	if o.secret {
		facts = append(facts, "secret")
	}
	for _, w := range o.was {
		g, n, _ := strings.Cut(w, ".")
		facts = append(facts, "was ["+g+"] "+n)
	}
	return strings.Join(facts, "; ")
}

func wrap(s string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(line)+1+len(word) > width {
			out, line = append(out, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

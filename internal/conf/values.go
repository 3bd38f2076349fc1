package conf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// values is what all sources say, weakest first.
type values struct {
	set      map[string][]entry // group.name → its assignments
	keys     []string           // in the order of the files
	env      map[string]string
	defaults map[string]string // group.name → default, for substitution
}

func newValues(files []*file, environ []string) *values {
	v := &values{set: map[string][]entry{}, env: map[string]string{}, defaults: map[string]string{}}
	for _, f := range files {
		for _, e := range f.entries {
			key := e.group + "." + e.name
			if v.set[key] == nil {
				v.keys = append(v.keys, key)
			}
			v.set[key] = append(v.set[key], e)
		}
	}
	for _, kv := range environ {
		if name, val, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, EnvPrefix) {
			v.env[name] = val
		}
	}
	return v
}

// find is every assignment of the option, the strongest last.
func (v *values) find(o *option) []entry {
	for _, name := range append([]string{o.key()}, o.was...) {
		group, opt, _ := strings.Cut(name, ".")
		env := EnvPrefix + strings.ToUpper(group+"_"+opt)
		if val, ok := v.env[env]; ok {
			return []entry{{value: val, from: "variable " + env}}
		}
	}
	for _, name := range append([]string{o.key()}, o.was...) {
		if found := v.set[name]; found != nil {
			return found
		}
	}
	return nil
}

// unknown tells of every assignment that no option takes.
func (v *values) unknown(known map[string]bool) []string {
	var out []string
	for _, key := range v.keys {
		if !known[key] {
			e := v.set[key][0]
			out = append(out, fmt.Sprintf("%s: option [%s] %s is not known here and has no effect", e.from, e.group, e.name))
		}
	}
	return out
}

const (
	maxDepth  = 16
	maxExpand = 1 << 20
)

var errTooLong = fmt.Errorf("the value is over %d bytes after substitution", maxExpand)

// expand replaces $name, ${name}, $group.name and ${group.name} by the values of those
// options; a name without a group is looked for in the option's own group, then in DEFAULT.
// "$$" and "\$" are a dollar sign.
func (v *values) expand(text, group string, depth int) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	if depth > maxDepth {
		return "", errors.New("the substitution goes round in a circle")
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			b.WriteString(text)
			break
		}
		if i > 0 && text[i-1] == '\\' {
			b.WriteString(text[:i-1] + "$")
			text = text[i+1:]
			continue
		}
		b.WriteString(text[:i])
		name, rest, err := reference(text[i+1:])
		if err != nil {
			return "", err
		}
		if text = rest; name == "" {
			b.WriteByte('$')
			continue
		}
		val, err := v.lookup(name, group, depth)
		if err != nil {
			return "", err
		}
		if b.WriteString(val); b.Len() > maxExpand {
			return "", errTooLong
		}
	}
	if b.Len() > maxExpand {
		return "", errTooLong
	}
	return b.String(), nil
}

// reference cuts the name off the text that follows a dollar sign; it is empty where the
// dollar sign means itself.
func reference(s string) (name, rest string, err error) {
	if strings.HasPrefix(s, "$") {
		return "", s[1:], nil
	}
	if strings.HasPrefix(s, "{") {
		name, rest, ok := strings.Cut(s[1:], "}")
		if !ok || name == "" {
			return "", "", errors.New("a ${ has no name and closing brace; write $$ for a dollar sign")
		}
		return name, rest, nil
	}
	n, dot := 0, false
	for n < len(s) {
		c := s[n]
		switch {
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z', n > 0 && c >= '0' && c <= '9':
		case c == '.' && !dot && n > 0 && n+1 < len(s) && letter(s[n+1]):
			dot = true
		default:
			return s[:n], s[n:], nil
		}
		n++
	}
	return s, "", nil
}

func letter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func (v *values) lookup(name, group string, depth int) (string, error) {
	name = optionName(name)
	keys := []string{group + "." + name, defaultGroup + "." + name}
	if g, n, ok := strings.Cut(name, "."); ok {
		keys = []string{groupName(g) + "." + n}
	}
	for _, key := range keys {
		g, n, _ := strings.Cut(key, ".")
		if val, ok := v.env[EnvPrefix+strings.ToUpper(g+"_"+n)]; ok {
			return v.expand(val, g, depth+1)
		}
		if found := v.set[key]; found != nil {
			return v.expand(found[len(found)-1].value, g, depth+1)
		}
		if def, ok := v.defaults[key]; ok {
			return v.expand(def, g, depth+1)
		}
	}
	return "", fmt.Errorf("no option is called %q, so $%s stands for nothing; write $$ for a dollar sign", clip(name), clip(name))
}

// fillGroups fills a map of groups: one struct for each group of the files that fits and is
// not one of the fixed ones.
func fillGroups(o *option, vals *values, known, fixed map[string]bool) error {
	var errs []error
	m := reflect.MakeMap(o.field.Type())
	var groups []string
	for _, key := range vals.keys {
		g, _, _ := strings.Cut(key, ".")
		if strings.HasPrefix(g, o.wild) && g != o.wild && !fixed[g] && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, g := range groups {
		item := reflect.New(o.field.Type().Elem()).Elem()
		var opts []option
		if err := collect(item, g, &opts); err != nil {
			return err
		}
		for i := range opts {
			known[opts[i].key()] = true
			errs = append(errs, set(&opts[i], vals))
		}
		m.SetMapIndex(reflect.ValueOf(strings.TrimPrefix(g, o.wild)), item)
	}
	o.field.Set(m)
	return errors.Join(errs...)
}

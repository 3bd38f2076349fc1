// Package conf reads settings: tagged fields of structs, filled from files in oslo.config's
// INI form, so that a nova.conf is read as it is.
//
//	type Compute struct {
//		PollWishes time.Duration `conf:"compute.poll_wishes" default:"10s" min:"1s"
//			help:"Longest time a host waits before it asks for its wishes again."`
//	}
//
// Tags: conf (group.name; the group DEFAULT may be left out), default, help, min, max,
// choices (a,b,c), match (a regular expression), was (older names, group.name with commas
// between), secret:"true" (never printed). A struct in the struct is looked into.
//
// Types: string, bool, ints, float64, time.Duration (a bare number is seconds), []string (a
// list with commas; with multi:"true" one value a line of the file), map[string]string
// (k:v with commas between), and a pointer to one of them, which is nil while nothing is
// set. A map[string]Struct with a star in its tag (conf:"mdev_*") holds one Struct for
// every group of the files that fits, by what stands for the star; its own fields name
// options without a group.
//
// Laws:
//  1. Settings are read once, at the start, and passed down as values. There is no global.
//  2. A later file wins over an earlier one, a directory's files (*.conf, by name) over the
//     files named before it, and the environment (KILONOVA_GROUP_NAME) over all.
//  3. Every mistake is told at once, each with its file, line, option and what is allowed.
//  4. An option that we do not know is a warning: a nova.conf holds many of them.
//  5. What is printed for people (sample file, reference page) is printed from the structs.
//
// Only this package and cmd read the environment.
//
// Layer 1: mechanism; knows no setting.
package conf

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sources says where settings come from, weakest first.
type Sources struct {
	Files []string // --config-file, in order
	Dirs  []string // --config-dir
	// Environ is os.Environ() or nil; variables that do not begin with KILONOVA_ are
	// not looked at.
	Environ []string
}

// EnvPrefix begins the names of the variables that set an option.
const EnvPrefix = "KILONOVA_"

// Environ is the process's environment, for Sources.
func Environ() []string { return os.Environ() }

// Load fills the struct that dst points to with defaults and then with what the sources
// say. The warnings name options that nothing knows; err joins all mistakes. After an
// error dst must not be used.
func Load(dst any, from Sources) (warnings []string, err error) {
	var files []*file
	var errs []error
	paths := slices.Clone(from.Files)
	for _, dir := range from.Dirs {
		if _, err := os.ReadDir(dir); err != nil {
			errs = append(errs, fmt.Errorf("configuration directory: %w", err))
			continue
		}
		found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*.conf"))
		paths = append(paths, found...) // Glob sorts
	}
	for _, path := range paths {
		f, err := readFile(path)
		if err != nil {
			errs = append(errs, err)
		}
		files = append(files, f)
	}
	w, err := fill(dst, newValues(files, from.Environ))
	return w, errors.Join(append(errs, err)...)
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// Parse is Load from one text, as if it were a file of that name.
func Parse(dst any, name, text string) (warnings []string, err error) {
	f, err := parse(name, strings.NewReader(text))
	w, err2 := fill(dst, newValues([]*file{f}, nil))
	return w, errors.Join(err, err2)
}

// fill sets every field of dst.
func fill(dst any, vals *values) ([]string, error) {
	opts, err := options(dst)
	if err != nil {
		return nil, err
	}
	var errs []error
	known, fixed := map[string]bool{}, map[string]bool{}
	for i := range opts {
		o := &opts[i]
		fixed[o.group] = fixed[o.group] || o.wild == ""
		vals.defaults[o.key()] = o.def
		for _, name := range append([]string{o.key()}, o.was...) {
			known[name] = true
		}
	}
	for i := range opts {
		o := &opts[i]
		if o.wild != "" {
			errs = append(errs, fillGroups(o, vals, known, fixed))
			continue
		}
		errs = append(errs, set(o, vals))
	}
	return vals.unknown(known), errors.Join(errs...)
}

// set gives one option its value.
func set(o *option, vals *values) error {
	found := vals.find(o)
	if len(found) == 0 {
		if !o.hasDef {
			return nil
		}
		found = []entry{{value: o.def, from: "the default of " + o.String()}}
	}
	texts := make([]string, len(found))
	for i, e := range found {
		text, err := vals.expand(e.value, o.group, 0)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", e.from, o, err)
		}
		texts[i] = text
	}
	if err := o.assign(texts); err != nil {
		return fmt.Errorf("%s: %s: %w", found[len(found)-1].from, o, err)
	}
	return nil
}

// sorted gives options group by group, DEFAULT first, in the order of the structs within
// a group.
func sorted(opts []option) []option {
	out := slices.Clone(opts)
	slices.SortStableFunc(out, func(a, b option) int {
		if a.group == b.group {
			return 0
		}
		switch defaultGroup {
		case a.group:
			return -1
		case b.group:
			return 1
		}
		return cmp.Compare(a.group, b.group)
	})
	return out
}

package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/nova"
)

// check turns a value of a request into the form in which it is kept. A reason that is
// not empty refuses the value.
type check func(v any) (clean any, reason string)

func text(most int) check {
	return func(v any) (any, string) {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, fmt.Sprintf("'%s' is not a valid string.", said(v))
		case utf8.RuneCountInString(s) > most:
			return nil, fmt.Sprintf("'%s' exceeds maximum length of %d.", clip(s), most)
		case strings.ContainsRune(s, 0):
			return nil, "The string contains a null character."
		}
		return s, ""
	}
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "..."
	}
	return s
}

// said is a value as the client wrote it, as far as it is worth repeating.
func said(v any) string {
	if s, ok := v.(string); ok {
		return clip(s)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "the value"
	}
	return clip(string(b))
}

var truths = map[string]bool{"true": true, "1": true, "false": false, "0": false}

func boolean(v any) (any, string) {
	if b, ok := v.(bool); ok {
		return b, ""
	}
	if v != nil {
		if b, ok := truths[strings.ToLower(fmt.Sprint(v))]; ok {
			return b, ""
		}
	}
	return nil, fmt.Sprintf("'%s' cannot be converted to boolean.", said(v))
}

// integer accepts numbers and their decimal text, as Neutron does.
func integer(least, most int) check {
	return func(v any) (any, string) {
		var s string
		switch n := v.(type) {
		case json.Number:
			s = n.String()
		case string:
			s = n
		default:
			return nil, fmt.Sprintf("'%s' is not an integer.", said(v))
		}
		n, err := strconv.Atoi(s)
		switch {
		case err != nil:
			return nil, fmt.Sprintf("'%s' is not an integer.", clip(s))
		case n < least:
			return nil, fmt.Sprintf("'%d' is too small - must be at least '%d'.", n, least)
		case n > most:
			return nil, fmt.Sprintf("'%d' is too large - must be no larger than '%d'.", n, most)
		}
		return n, ""
	}
}

func anUUID(v any) (any, string) {
	s, ok := v.(string)
	if !ok || !nova.IsUUID(s) {
		return nil, fmt.Sprintf("'%s' is not a valid UUID.", said(v))
	}
	return strings.ToLower(s), ""
}

// orNull lets null pass.
func orNull(c check) check {
	return func(v any) (any, string) {
		if v == nil {
			return nil, ""
		}
		return c(v)
	}
}

// nullIs reads null as another value.
func nullIs(value any, c check) check {
	return func(v any) (any, string) {
		if v == nil {
			return value, ""
		}
		return c(v)
	}
}

func onlyNull(v any) (any, string) {
	if v != nil {
		return nil, "Only null is supported."
	}
	return nil, ""
}

func oneOf(words ...string) check {
	return func(v any) (any, string) {
		if s, ok := v.(string); ok && slices.Contains(words, s) {
			return s, ""
		}
		return nil, fmt.Sprintf("'%s' is not in ['%s'].", said(v), strings.Join(words, "', '"))
	}
}

// list checks every element and how many there are.
func list(most int, c check) check {
	return func(v any) (any, string) {
		in, ok := v.([]any)
		if !ok {
			return nil, fmt.Sprintf("'%s' is not a list.", said(v))
		}
		if len(in) > most {
			return nil, fmt.Sprintf("A list of %d elements is longer than %d.", len(in), most)
		}
		out := make([]any, 0, len(in))
		for _, e := range in {
			clean, reason := c(e)
			if reason != "" {
				return nil, reason
			}
			out = append(out, clean)
		}
		return out, ""
	}
}

// set is a list without duplicates.
func set(most int, c check) check {
	return func(v any) (any, string) {
		clean, reason := list(most, c)(v)
		if reason != "" {
			return nil, reason
		}
		seen := map[any]bool{}
		for _, e := range clean.([]any) {
			if seen[e] {
				return nil, fmt.Sprintf("Duplicate items in the list: '%s'.", said(e))
			}
			seen[e] = true
		}
		return clean, ""
	}
}

// object checks a document whose keys are all known. Keys in need must be there.
func object(keys map[string]check, need ...string) check {
	return func(v any) (any, string) {
		in, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Sprintf("'%s' is not a dictionary.", said(v))
		}
		for _, k := range need {
			if _, ok := in[k]; !ok {
				return nil, fmt.Sprintf("Expected keys not found: '%s'.", k)
			}
		}
		out := make(map[string]any, len(in))
		for k, e := range in {
			c, ok := keys[k]
			if !ok {
				return nil, fmt.Sprintf("Unexpected keys supplied: '%s'.", clip(k))
			}
			clean, reason := c(e)
			if reason != "" {
				return nil, reason
			}
			out[k] = clean
		}
		return out, ""
	}
}

// freeform is a document of any shape, up to 4095 bytes of JSON as in Neutron.
func freeform(v any) (any, string) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Sprintf("'%s' is not a dictionary.", said(v))
	}
	b, err := json.Marshal(m)
	if err != nil || len(b) > 4095 {
		return nil, "The dictionary is too large."
	}
	if strings.Contains(string(b), `\u0000`) {
		return nil, "The dictionary contains a null character."
	}
	var kept map[string]any
	if json.Unmarshal(b, &kept) != nil {
		return nil, "The dictionary contains a number that is out of range."
	}
	return m, ""
}

// address is an IP without a zone, in its shortest form.
func address(v any) (any, string) {
	s, _ := v.(string)
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return nil, fmt.Sprintf("'%s' is not a valid IP address.", said(v))
	}
	return a.Unmap().String(), ""
}

// subnetCIDR is a prefix without host bits.
func subnetCIDR(v any) (any, string) {
	s, _ := v.(string)
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return nil, fmt.Sprintf("'%s' is not a valid IP subnet.", said(v))
	}
	if p != p.Masked() {
		return nil, fmt.Sprintf("'%s' isn't a recognized IP subnet cidr, '%s' is recommended.", s, p.Masked())
	}
	return p.String(), ""
}

// addressOrCIDR keeps an address as it is and a prefix without its host bits.
func addressOrCIDR(v any) (any, string) {
	if clean, reason := address(v); reason == "" {
		return clean, ""
	}
	s, _ := v.(string)
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return nil, fmt.Sprintf("'%s' is neither a valid IP address, nor is it a valid IP subnet.", said(v))
	}
	return p.Masked().String(), ""
}

var macText = regexp.MustCompile(`^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$`)

func mac(v any) (any, string) {
	s, _ := v.(string)
	if !macText.MatchString(s) || s == "00:00:00:00:00:00" {
		return nil, fmt.Sprintf("'%s' is not a valid MAC address.", said(v))
	}
	return strings.ToLower(strings.ReplaceAll(s, "-", ":")), ""
}

var dnsText = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$`)

func dnsName(v any) (any, string) {
	s, ok := v.(string)
	if !ok || len(s) > 255 || s != "" && !dnsText.MatchString(s) {
		return nil, fmt.Sprintf("'%s' not a valid PQDN or FQDN.", said(v))
	}
	return strings.ToLower(s), ""
}

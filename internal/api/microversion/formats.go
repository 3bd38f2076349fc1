package microversion

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// format is a named rule for strings. Its refusal is worded in one of three ways.
type format struct {
	name    string
	ok      func(string) bool
	reason  string // an InvalidName sentence with this reason
	pattern string // "does not match 'pattern'"; neither: "is not a 'name'"
	legacy  string // the format that the /v2 endpoint uses instead
}

var formats = []format{
	{name: "name", ok: validName, legacy: "name_with_leading_trailing_spaces",
		reason: "printable characters. Can not start or end with whitespace."},
	{name: "az_name", ok: validZoneName, legacy: "az_name_with_leading_trailing_spaces",
		reason: "printable characters except :.Can not start or end with whitespace."},
	{name: "name_with_leading_trailing_spaces", ok: validSpacedName,
		reason: "printable characters with at least one non space character"},
	{name: "az_name_with_leading_trailing_spaces", ok: validSpacedZoneName,
		reason: "printable characters except :, with at least one non space character"},
	{name: "description", ok: allPrintable, pattern: "^[printable characters]*$"},
	{name: "uuid", ok: IsUUID},
	{name: "date-time", ok: func(s string) bool { _, err := ParseTime(s); return err == nil }},
	{name: "base64", ok: func(s string) bool { _, ok := DecodeBase64(s); return ok }},
	{name: "regex", ok: func(s string) bool { _, err := syntax.Parse(s, syntax.Perl); return s != "" && err == nil }},
	{name: "cidr", ok: validCIDR},
	{name: "uri", ok: validURI},
	{name: "ipv4", ok: func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() }},
	{name: "ipv6", ok: func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is6() && a.Zone() == "" }},
	{name: "ip", ok: func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Zone() == "" }},
	{name: "hostname", ok: matcher(`^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$`),
		pattern: `^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$`},
	{name: "fqdn", ok: matcher(`^[a-zA-Z0-9-._]*$`), pattern: `^[a-zA-Z0-9-._]*$`},
	{name: "mac", ok: matcher(`^([0-9a-fA-F]{2})(:[0-9a-fA-F]{2}){5}$`), pattern: `^([0-9a-fA-F]{2})(:[0-9a-fA-F]{2}){5}$`},
	{name: "tag", ok: matcher(`^[^,/]*$`), pattern: `^[^,/]*$`},
	{name: "flavor-id", ok: validFlavorID, pattern: `^(?! )[a-zA-Z0-9. _-]+(?<! )$`},
}

func findFormat(name string) (*format, error) {
	for i := range formats {
		if formats[i].name == name {
			return &formats[i], nil
		}
	}
	return nil, fmt.Errorf("there is no format %q", name)
}

func matcher(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// printable is Nova's notion: no control or unassigned character, no line separator, and
// nothing beyond the basic plane.
func printable(r rune) bool { return r < 0xFFFF && unicode.IsGraphic(r) }

func allPrintable(s string) bool {
	for _, r := range s {
		if !printable(r) {
			return false
		}
	}
	return true
}

// validName lets the empty string pass: its length is another rule's matter.
func validName(s string) bool {
	return allPrintable(s) && strings.TrimFunc(s, unicode.IsSpace) == s && strings.TrimFunc(s, isZs) == s
}

func isZs(r rune) bool { return unicode.Is(unicode.Zs, r) }

func validSpacedName(s string) bool { return allPrintable(s) && strings.TrimFunc(s, isZs) != "" }

func validZoneName(s string) bool { return validName(s) && !strings.Contains(s, ":") }

func validSpacedZoneName(s string) bool { return validSpacedName(s) && !strings.Contains(s, ":") }

func validFlavorID(s string) bool {
	return flavorID.MatchString(s) && s[0] != ' ' && s[len(s)-1] != ' '
}

var flavorID = regexp.MustCompile(`^[a-zA-Z0-9. _-]+$`)

// IsUUID accepts what Nova does: 32 hexadecimal digits in any case, with hyphens
// anywhere, in braces, or after "urn:uuid:".
func IsUUID(s string) bool {
	if len(s) > 128 {
		return false
	}
	s = strings.NewReplacer("urn:", "", "uuid:", "").Replace(s)
	s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func validCIDR(s string) bool {
	addr, bits, ok := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	if !ok || err != nil || a.Zone() != "" {
		return false
	}
	if n, err := strconv.Atoi(bits); err == nil {
		return n >= 0 && n <= a.BitLen()
	}
	mask, err := netip.ParseAddr(bits)
	return err == nil && mask.BitLen() == a.BitLen()
}

func validURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != ""
}

// DecodeBase64 reads base64 as Python does: characters outside of the alphabet do not
// count, and what follows the padding is not read. False is wrong padding, or text that is
// not ASCII.
func DecodeBase64(s string) ([]byte, bool) {
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return nil, false
	}
	clean := make([]byte, 0, len(s))
	pads := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean, pads = append(clean, c), 0
		case c == '=':
			pads++
		}
		if quad := len(clean) % 4; quad >= 2 && quad+pads >= 4 {
			break
		}
	}
	if quad := len(clean) % 4; quad == 1 || quad > 0 && quad+pads < 4 {
		return nil, false
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, err := base64.RawStdEncoding.Decode(out, clean)
	return out[:n], err == nil
}

// isoTime has two groups for the month and for the day: with a hyphen they may have one digit.
var isoTime = regexp.MustCompile(`^(\d{4})(?:(?:-(\d{1,2})|(\d{2}))(?:(?:-(\d{1,2})|(\d{2}))` +
	`(?:[ T](\d{2})(?::?(\d{2}))?(?::?(\d{1,2})(?:[.,](\d+))?)?(Z|[+-]\d{2}:?(?:\d{2})?)?)?)?)?$`)

// ParseTime reads an ISO 8601 time with the leniency of Nova's clients and library: the
// day, the clock and the zone may be missing, separators too. No zone is UTC.
func ParseTime(s string) (time.Time, error) {
	m := isoTime.FindStringSubmatch(s)
	if m == nil || m[3] != "" && m[4]+m[5] == "" {
		return time.Time{}, fmt.Errorf("%q is no ISO 8601 time", s)
	}
	n := [6]int{0, 1, 1, 0, 0, 0}
	for i, text := range [6]string{m[1], m[2] + m[3], m[4] + m[5], m[6], m[7], m[8]} {
		if text != "" {
			n[i], _ = strconv.Atoi(text)
		}
	}
	micros, _ := strconv.Atoi((m[9] + "000000")[:6])
	offset := zone(m[10])
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], micros*1000, time.FixedZone("", offset))
	if n[0] == 0 || offset <= -86400 || offset >= 86400 || t.Month() != time.Month(n[1]) || t.Day() != n[2] || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return time.Time{}, fmt.Errorf("%q is no time that exists", s)
	}
	return t.UTC(), nil
}

// zone is the offset in seconds of "Z", "+05:30", "-0530" or "+05".
func zone(s string) int {
	if s == "" || s == "Z" {
		return 0
	}
	digits := strings.ReplaceAll(s[1:], ":", "") + "00"
	hours, _ := strconv.Atoi(digits[:2])
	minutes, _ := strconv.Atoi(digits[2:4])
	if s[0] == '-' {
		return -hours*3600 - minutes*60
	}
	return hours*3600 + minutes*60
}

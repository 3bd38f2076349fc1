package pyrepr_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/api/pyrepr"
)

func TestValuesArePrintedAsPythonDoes(t *testing.T) {
	for raw, want := range map[string]string{
		``: "None", `null`: "None", `true`: "True", `false`: "False",
		`7`: "7", `12345678901234567890`: "12345678901234567890", `1.0`: "1.0", `1e3`: "1000.0", `1e16`: "1e+16", `0.00001`: "1e-05",
		`1e999`: "inf", `-1e999`: "-inf",
		`"it"`: `'it'`, `"it's"`: `"it's"`, `"\"it's\""`: `'"it\'s"'`, `"a\nb\tc\\"`: `'a\nb\tc\\'`,
		`"\u00e9\u00a0\u0007\u200b"`: `'é\xa0\x07\u200b'`, `"\ud83d\ude00"`: `'😀'`, `"a b"`: `'a b'`,
		`[]`: "[]", `{}`: "{}", `{"b":1, "a" : [true,null, "x"]}`: `{'b': 1, 'a': [True, None, 'x']}`,
		`{"a":1,"b":2,"a":3}`: `{'a': 3, 'b': 2}`,
	} {
		if got := pyrepr.Value([]byte(raw), 100); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestWhatIsLongIsCutBetweenCharacters(t *testing.T) {
	if got := pyrepr.Value([]byte(`"`+strings.Repeat("é", 50)+`"`), 10); got != "'éééé..." {
		t.Errorf("%q", got)
	}
	if got := pyrepr.Value([]byte(`[1,2,3,`+strings.Repeat("4,", 1000)+`5]`), 9); got != "[1, 2, 3,..." {
		t.Errorf("%q", got)
	}
	if got := pyrepr.Texts([]string{"a", "b'"}); got != `'a', "b'"` {
		t.Error(got)
	}
}

func FuzzValue(f *testing.F) {
	for _, raw := range []string{`{"a":[1,2.5e-7,"x\u0000",null,{"a":1,"a":2}]}`, `"\ud800"`, `-0.0`, `[[[]]]`, `1e999`} {
		f.Add([]byte(raw), 40)
	}
	f.Fuzz(func(t *testing.T, raw []byte, most int) {
		if most < 0 || !json.Valid(raw) || !utf8.Valid(raw) || raw[0] <= ' ' {
			return
		}
		if got := pyrepr.Value(raw, most); len(got) > most+3 || !utf8.ValidString(got) {
			t.Errorf("%q: %q", raw, got)
		}
	})
}

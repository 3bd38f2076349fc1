package schema_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/api/placement/schema"
)

func limit(n float64) *float64 { return &n }

var (
	amount = &schema.Schema{Types: []string{"integer"}, Min: limit(1), Max: limit(math.MaxInt32)}
	sample = &schema.Schema{
		Types: []string{"object"}, Required: []string{"total"},
		Properties: []schema.Property{
			{Name: "total", Is: amount},
			{Name: "ratio", Is: &schema.Schema{Types: []string{"number"}, Max: limit(3.40282e+38)}},
			{Name: "generation", Is: &schema.Schema{Types: []string{"integer", "null"}}},
			{Name: "name", Is: &schema.Schema{Types: []string{"string"}, MinLength: 1, MaxLength: 5, Match: regexp.MustCompile("^[A-Z0-9_]+$")}},
			{Name: "id", Is: &schema.Schema{Types: []string{"string"}, UUID: true}},
			{Name: "list", Is: &schema.Schema{Types: []string{"array"}, MinItems: 1, Items: amount}},
			{Name: "resources", Is: &schema.Schema{Types: []string{"object"}, MinProperties: 1,
				Patterns: []schema.Pattern{{Key: regexp.MustCompile("^[A-Z0-9_]+$"), Is: amount}}}},
		},
	}
)

func TestAFaultIsToldInTheWordsOfThePythonLibrary(t *testing.T) {
	for body, want := range map[string]string{
		`{"total": 1}`:   "",
		`{"total": 1.0}`: "", `{"total": 1e3, "ratio": 1.5, "generation": null, "name": "A_1", "list": [1], "resources": {"VCPU": 2}}`: "",
		`{"total": 1, "id": "75d0f5f775d9458cb204f90ac91604ec"}`: "",
		`{"total": 0}`:                                  "0 is less than the minimum of 1\n\nFailed validating 'minimum' in schema['properties']['total']\n\nOn instance['total']:\n    0",
		`{"total": -1}`:                                 "-1 is less than the minimum of 1\n",
		`{"total": 2147483648}`:                         "2147483648 is greater than the maximum of 2147483647\n\nFailed validating 'maximum' in schema['properties']['total']",
		`{"total": 1, "ratio": 3.40282e+39}`:            "3.40282e+39 is greater than the maximum of 3.40282e+38\n\nFailed validating 'maximum'",
		`{"total": 1, "ratio": 1e999}`:                  "inf is greater than",
		`{"total": 1.5}`:                                "1.5 is not of type 'integer'",
		`{"total": true}`:                               "True is not of type 'integer'",
		`{"total": 1, "generation": "1"}`:               "'1' is not of type 'integer', 'null'",
		`{}`:                                            "'total' is a required property\n\nFailed validating 'required' in schema\n\nOn instance:\n    {}",
		`[]`:                                            "[] is not of type 'object'",
		`null`:                                          "None is not of type 'object'",
		`{"total": 1, "house": "red"}`:                  "Additional properties are not allowed ('house' was unexpected)",
		`{"total": 0, "house": 1, "car": 2}`:            "Additional properties are not allowed ('car', 'house' were unexpected)",
		`{"total": 1, "name": "instance"}`:              "'instance' is too long",
		`{"total": 1, "name": "inst"}`:                  "'inst' does not match '^[A-Z0-9_]+$'\n\nFailed validating 'pattern'",
		`{"total": 1, "name": ""}`:                      "'' should be non-empty\n\nFailed validating 'minLength'",
		`{"total": 1, "id": "it's"}`:                    "\"it's\" is not a 'uuid'",
		`{"total": 1, "list": []}`:                      "[] should be non-empty\n\nFailed validating 'minItems'",
		`{"total": 1, "list": [1, 0]}`:                  "0 is less than the minimum of 1\n\nFailed validating 'minimum' in schema['properties']['list']['items']\n\nOn instance['list'][1]:",
		`{"total": 1, "resources": {}}`:                 "{} should be non-empty",
		`{"total": 1, "resources": {"cow": 10}}`:        "'cow' does not match any of the regexes: '^[A-Z0-9_]+$'",
		`{"total": 1, "resources": {"COW": 0}}`:         "schema['properties']['resources']['patternProperties']['^[A-Z0-9_]+$']",
		`{"total": 0, "resources": {"COW": 0}}`:         "On instance['total']:",
		`{"total": {"a": [1, null, false, 2.5]}}`:       "{'a': [1, None, False, 2.5]} is not of type 'integer'",
		`{"total": "` + strings.Repeat("é", 500) + `"}`: "é... is not of type 'integer'",
	} {
		v, err := schema.Parse([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got := ""
		if err := sample.Check(v); err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", body, got, want)
		}
	}
}

func TestIntegersBeyondTheirRangeAreHeldAtItsEnd(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "1.0": 1, "-7": -7, "1e3": 1000, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64,
		"-1e40": math.MinInt64, "1e999": math.MaxInt64, `"x"`: 0, "null": 0,
	} {
		v, err := schema.Parse([]byte(text))
		if got := schema.Int(v); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, body := range []string{`{"total": 1}`, `{"total": "it's \"\\\n"}`, `{"resources": {"a": {"b": [1, 1.5e300, null]}}}`, `[[[]]]`, `1e999`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := schema.Parse([]byte(body))
		if err != nil {
			return
		}
		if err := sample.Check(v); err != nil && (err.Error() == "" || len(err.Error()) > 10_000+2*len(body)) {
			t.Errorf("%q", err)
		}
		schema.Int(v)
	})
}

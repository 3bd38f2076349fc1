package httpd_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kilonova/kilonova/internal/httpd"
)

func TestJSONThatADecoderShouldNeverSeeIsRefused(t *testing.T) {
	for text, want := range map[string]error{
		`{"a":[1,"}"]}`: nil, "": httpd.ErrBadJSON, "{": httpd.ErrBadJSON, "{}{}": httpd.ErrBadJSON, "[NaN]": httpd.ErrBadJSON,
		"[\"\xff\"]": httpd.ErrBadJSON, "[\"\xc0\x80\"]": httpd.ErrBadJSON, "[\"\x00\"]": httpd.ErrBadJSON, `["\ud800"]`: nil,
		strings.Repeat("[", httpd.MaxDepth) + strings.Repeat("]", httpd.MaxDepth):     nil,
		strings.Repeat("[", httpd.MaxDepth+1) + strings.Repeat("]", httpd.MaxDepth+1): httpd.ErrTooDeep,
		strings.Repeat("[", 100_000): httpd.ErrTooDeep,
	} {
		if err := httpd.CheckJSON([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

func TestABodyIsReadNoFurtherThanItsLimit(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader("12345"))
	if b, err := httpd.ReadBody(r, 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	r = httptest.NewRequest("POST", "/", iotest.ErrReader(errors.New("it must not be read")))
	r.ContentLength = 1 << 30
	if _, err := httpd.ReadBody(r, 5); !errors.Is(err, httpd.ErrTooLarge) {
		t.Errorf("announced: %v", err)
	}
	rest := iotest.ErrReader(errors.New("it must not be read"))
	r = httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("123456"), rest))
	if _, err := httpd.ReadBody(r, 5); !errors.Is(err, httpd.ErrTooLarge) {
		t.Errorf("chunked: %v", err)
	}
	r = httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := httpd.ReadBody(r, 5); !errors.Is(err, httpd.ErrBroken) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken: %v", err)
	}
}

package target

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/kilonova/kilonova/internal/conf"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheReferenceOfSettingsIsPrintedFromThem(t *testing.T) {
	got, err := conf.Reference(&Settings{})
	if err != nil {
		t.Fatal(err)
	}
	const page = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(page, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s is old: run make docs (%v)", page, err)
	}
}

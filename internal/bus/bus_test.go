package bus

import (
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

func FuzzReadReply(f *testing.F) {
	for _, s := range [][]byte{nil, {0}, {0, 1}, {1}, {1, 3, 'x'}, {1, 200}, {2, 2}} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		out, err := ReadReply(reply)
		if err != nil && (out != nil || nova.KindOf(err) > nova.Unavailable) {
			t.Errorf("%q with %v of kind %v", out, err, nova.KindOf(err))
		}
	})
}

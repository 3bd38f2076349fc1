package conductor

import (
	"encoding/json"
	"fmt"

	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/store"
)

// Placement is what is known of where a server went: why, and what failed there.
type Placement struct {
	ServerID        string   `json:"server_id"`
	Operation       string   `json:"operation_id"` // the record that it is read from
	RequestID       string   `json:"request_id"`
	*explain.Report          // nil: nothing was decided yet
	Message         string   `json:"message"`
	Tried           []string `json:"tried,omitempty"`   // hosts on which the build failed
	Failure         string   `json:"failure,omitempty"` // on the last of them
}

// Explain reads from the records of a server's operations why it is where it is: the newest
// one that has placed it counts.
func Explain(t *store.Tx, serverID string) (Placement, error) {
	recs, err := t.Sagas().Of(serverID)
	out := Placement{ServerID: serverID}
	if err != nil {
		return out, err
	}
	for _, r := range recs {
		var s struct {
			Placement *explain.Report
			Tried     []string
			Last      string
		}
		if err := json.Unmarshal(r.State, &s); err != nil {
			return out, fmt.Errorf("operation %s: read its notebook: %w", r.ID, err)
		}
		if s.Placement == nil {
			continue
		}
		out.Operation, out.RequestID, out.Report = r.ID, r.RequestID, s.Placement
		out.Message, out.Tried, out.Failure = s.Placement.Message(), s.Tried, s.Last
		return out, nil
	}
	return out, nil
}

// Redacted leaves out what names hosts.
func (p Placement) Redacted() Placement {
	if p.Report != nil {
		p.Report = p.Report.Redacted()
	}
	p.Tried = nil
	return p
}

package identity

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// What is kept, one struct a table. An empty string stands for "none" in the columns
// that name another row.
type (
	domain struct {
		ID, Name, Description string
		Enabled               flag
		Options, Extra        doc
	}
	project struct {
		ID, DomainID, ParentID, Name, Description string
		Enabled                                   flag
		Tags                                      list
		Options, Extra                            doc
	}
	user struct {
		ID, DomainID, Name, Description, DefaultProjectID string
		Enabled                                           flag
		PasswordHash                                      string
		Options, Extra                                    doc
	}
	group struct {
		ID, DomainID, Name, Description string
		Extra                           doc
	}
	member struct{ GroupID, UserID string }
	role   struct {
		ID, DomainID, Name, Description string
		Options, Extra                  doc
	}
	implied    struct{ PriorID, ImpliedID string }
	assignment struct {
		ID, RoleID, ActorKind, ActorID, TargetKind, TargetID string
		Inherited                                            flag
	}
	region struct {
		ID, ParentID, Description string
		Extra                     doc
	}
	service struct {
		ID, Type, Name, Description string
		Enabled                     flag
		Extra                       doc
	}
	endpoint struct {
		ID, ServiceID, RegionID, Interface, URL string
		Enabled                                 flag
		Extra                                   doc
	}
	appCred struct {
		ID, UserID, ProjectID, Name, Description, SecretHash string
		Unrestricted                                         flag
		ExpiresAt                                            int64 // microseconds; 0 is never
		Roles                                                list  // ids
	}
	revocation struct {
		Kind, Target   string
		Seq, ExpiresAt int64
	}
	signingKey struct {
		ID, Secret string
		MadeAt     int64
	}
)

// The kinds of actors and targets of an assignment.
const (
	actorUser     = "user"
	actorGroup    = "group"
	targetProject = "project"
	targetDomain  = "domain"
	targetSystem  = "system"
)

// seal computes the assignment's id, which makes granting twice the same row.
func (a assignment) seal() *assignment {
	sum := sha256.Sum256([]byte(strings.Join([]string{a.RoleID, a.ActorKind, a.ActorID, a.TargetKind,
		a.TargetID, fmt.Sprint(a.Inherited)}, "\x00")))
	a.ID = hex.EncodeToString(sum[:16])
	return &a
}

// flag is a boolean that is kept as 0 or 1.
type flag bool

// Value implements driver.Valuer.
func (f flag) Value() (driver.Value, error) {
	if f {
		return int64(1), nil
	}
	return int64(0), nil
}

// Scan implements sql.Scanner.
func (f *flag) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a flag is an integer, not %T", v)
	}
	*f = n != 0
	return nil
}

// list is a list of strings that is kept as JSON.
type list []string

// Value implements driver.Valuer.
func (l list) Value() (driver.Value, error) {
	if l == nil {
		return "[]", nil
	}
	return encode([]string(l))
}

// Scan implements sql.Scanner.
func (l *list) Scan(v any) error { return decode(v, (*[]string)(l)) }

// doc is a JSON object that we keep for its owner and do not read.
type doc map[string]json.RawMessage

// Value implements driver.Valuer.
func (d doc) Value() (driver.Value, error) {
	if d == nil {
		return "{}", nil
	}
	return encode(map[string]json.RawMessage(d))
}

// Scan implements sql.Scanner.
func (d *doc) Scan(v any) error { return decode(v, (*map[string]json.RawMessage)(d)) }

func encode(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(v, to any) error {
	switch v := v.(type) {
	case string:
		return json.Unmarshal([]byte(v), to)
	case []byte:
		return json.Unmarshal(v, to)
	}
	return fmt.Errorf("JSON is text, not %T", v)
}

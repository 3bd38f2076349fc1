package compute

import (
	"net/http"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

func (a *API) keypairRoutes() []Route {
	const rule = "os_compute_api:os-keypairs:"
	return []Route{
		{"GET", "/os-keypairs", "", rule + "index", listKeypairs},
		{"POST", "/os-keypairs", "", rule + "create", createKeypair},
		{"GET", "/os-keypairs/{id}", "", rule + "show", showKeypair},
		{"DELETE", "/os-keypairs/{id}", "", rule + "delete", deleteKeypair},
	}
}

// keypairBrief is a key pair in a list.
type keypairBrief struct {
	Name        string `json:"name"`
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
	Type        string `json:"type" mv:"2-"`
}

// keypairView is a key pair by itself.
type keypairView struct {
	keypairBrief
	UserID    string    `json:"user_id"`
	CreatedAt time.Time `json:"created_at" time:"micro"`
	Deleted   bool      `json:"deleted"`
	DeletedAt *string   `json:"deleted_at"`
	UpdatedAt *string   `json:"updated_at"`
	Num       int64     `json:"id"`
}

// keypairCreated is the answer to a POST. The private key is there when it was made here,
// and this is the only time that anybody sees it.
type keypairCreated struct {
	keypairBrief
	UserID     string `json:"user_id"`
	PrivateKey string `json:"private_key,omitempty" mv:"-91"`
}

func briefKeypair(k *nova.Keypair) keypairBrief {
	return keypairBrief{k.Name, k.PublicKey, k.Fingerprint, k.Type}
}

// whose is the user whose key pairs a request is about: from 2.10 on, user_id may say
// another than the caller.
func (q *Request) whose(asked []string) (string, error) {
	user := q.Who.UserID
	if len(asked) > 0 && asked[0] != "" {
		user = asked[0]
	}
	return user, q.PolicyAbout(policy.Of("", user))
}

type keypairQuery struct {
	_      struct{} `strict:"75-"`
	UserID []string `json:"user_id" mv:"10-"`
}

type keypairListQuery struct {
	_         struct{} `strict:"75-"`
	UserID    []string `json:"user_id" mv:"10-"`
	pageQuery `mv:"35-"`
}

func listKeypairs(q *Request) error {
	var x keypairListQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	user, err := q.whose(x.UserID)
	if err != nil {
		return err
	}
	limit := -1
	if q.V >= 35 {
		limit = x.limit(q)
	}
	list, err := q.API.keypairs.List(q.R.Context(), user, x.Marker, limit)
	if err != nil {
		return err
	}
	type item struct {
		Keypair keypairBrief `json:"keypair"`
	}
	items := make([]item, len(list))
	for i := range list {
		items[i].Keypair = briefKeypair(&list[i])
	}
	var next []Link
	if full(len(list), limit) {
		next = q.NextLink(list[len(list)-1].Name)
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Keypairs []item `json:"keypairs"`
		Links    []Link `json:"keypairs_links,omitempty" mv:"35-"`
	}{items, next})
}

func showKeypair(q *Request) error {
	var x keypairQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	user, err := q.whose(x.UserID)
	if err != nil {
		return err
	}
	k, err := q.API.keypairs.Get(q.R.Context(), user, q.Var("id"))
	if err != nil {
		return err
	}
	return q.Reply(http.StatusOK, 0, &struct {
		Keypair keypairView `json:"keypair"`
	}{keypairView{
		keypairBrief: briefKeypair(&k), UserID: k.UserID, Num: k.Num, CreatedAt: k.CreatedAt,
	}})
}

func deleteKeypair(q *Request) error {
	var x keypairQuery
	if err := q.Query(&x); err != nil {
		return err
	}
	user, err := q.whose(x.UserID)
	if err != nil {
		return err
	}
	if err := q.API.keypairs.Delete(q.R.Context(), user, q.Var("id")); err != nil {
		return err
	}
	if q.V < 2 {
		return q.Empty(http.StatusAccepted)
	}
	return q.Empty(http.StatusNoContent)
}

// newKeypair is the body of POST /os-keypairs.
type newKeypair struct {
	Keypair struct {
		Name      keypairName              `json:"name" req:"1"`
		Type      string                   `json:"type" mv:"2-" enum:"ssh|x509"`
		PublicKey microversion.Opt[string] `json:"public_key" req:"92-"`
		UserID    string                   `json:"user_id" mv:"10-"`
	} `json:"keypair" req:"1"`
}

// keypairName is a name whose letters depend on the version.
type keypairName string

// DecodeMV reads it.
func (n *keypairName) DecodeMV(v microversion.V, raw []byte) error {
	switch {
	case v == microversion.Legacy:
		return microversion.Value(v, raw, (*string)(n), `min:"1" max:"255" format:"name"`)
	case v < 92:
		return microversion.Value(v, raw, (*string)(n), `min:"1" max:"255" format:"name" pattern:"^[_\\- a-zA-Z0-9]+$"`)
	}
	return microversion.Value(v, raw, (*string)(n), `min:"1" max:"255" format:"name" pattern:"^[_\\-\\@\\. a-zA-Z0-9]+$"`)
}

func createKeypair(q *Request) error {
	var body newKeypair
	if err := q.Decode(&body); err != nil {
		return err
	}
	b := &body.Keypair
	user, err := q.whose([]string{b.UserID})
	if err != nil {
		return err
	}
	var k nova.Keypair
	private := ""
	if b.PublicKey.Set {
		k, err = q.API.keypairs.Import(q.R.Context(), user, string(b.Name), b.Type, b.PublicKey.V)
	} else {
		k, private, err = q.API.keypairs.Generate(q.R.Context(), user, string(b.Name), b.Type)
	}
	if err != nil {
		return err
	}
	code := http.StatusCreated
	if q.V < 2 {
		code = http.StatusOK
	}
	return q.Reply(code, 0, &struct {
		Keypair keypairCreated `json:"keypair"`
	}{keypairCreated{briefKeypair(&k), k.UserID, private}})
}

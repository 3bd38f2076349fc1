package compute

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	agent "github.com/kilonova/kilonova/internal/compute"
	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/server"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// gate knows three tokens, which are the names of their users.
type gate struct{}

var people = map[string]identity.Who{
	"admin":  {UserID: "u-admin", ProjectID: "aaaa", Roles: []string{"admin", "member", "reader"}},
	"member": {UserID: "u-member", ProjectID: "bbbb", Roles: []string{"member", "reader"}},
	"reader": {UserID: "u-reader", ProjectID: "bbbb", Roles: []string{"reader"}},
	"other":  {UserID: "u-other", ProjectID: "cccc", Roles: []string{"member", "reader"}},
}

func (gate) Authenticate(_ context.Context, token string) (identity.Who, error) {
	who, ok := people[token]
	if !ok {
		return who, nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
	}
	return who, nil
}

// ProjectMissing knows the projects of these people, and those of one letter.
func (gate) ProjectMissing(_ context.Context, _, id string) bool {
	for _, who := range people {
		if who.ProjectID == id {
			return false
		}
	}
	return len(id) > 1
}

// imageID is the image that shelf has.
const imageID = "70a599e0-31e7-49b7-b260-868f441e862b"

// shelf is an image service with one image.
type shelf struct{}

func (shelf) Show(_ context.Context, id string) (image.Image, error) {
	if id != imageID {
		return image.Image{}, nova.Errorf(nova.NotFound, "image %s: not found", id)
	}
	return image.Image{ID: id, Name: "cirros", Status: "active", DiskFormat: "raw", ContainerFormat: "bare", Size: 1 << 20,
		Properties: map[string]string{"hw_machine_type": "q35", "mine": "1"}}, nil
}

func (shelf) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// world is a cloud of one simulated host without networks, behind the API.
type world struct {
	t     testing.TB
	store *store.Store
	api   *API
	host  *fake.Host
}

type options struct {
	limits  server.Limits
	ports   network.Ports
	idle    bool // nothing runs: servers stay as they are put
	clock   clock.Clock
	maximum int
}

func unlimited() server.Limits {
	return server.Limits{Instances: -1, Cores: -1, RAM: -1, MetadataItems: 128, KeyPairs: -1, ServerGroups: -1, GroupMembers: -1}
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	if o.clock == nil {
		o.clock = clock.Real{}
	}
	if o.limits == (server.Limits{}) {
		o.limits = unlimited()
	}
	log := slog.New(slog.DiscardHandler)
	st := storetest.Open(t, dbtest.SQLite(t), o.clock)
	must(t, st.Update(t.Context(), func(tx *store.Tx) error {
		for _, f := range flavors() {
			if err := tx.Flavors().Insert(f); err != nil {
				return err
			}
		}
		return nil
	}))
	pl := placement.New(st)
	sched := scheduler.New(scheduler.Config{Store: st, Placement: pl, Clock: o.clock})
	wake := make(chan struct{}, 1)
	cond := conductor.New(conductor.Config{
		Store: st, Clock: o.clock, Log: log, Scheduler: sched, Accounts: pl, Owner: "test", Ports: o.ports,
		WakeHost: func(string) {
			select {
			case wake <- struct{}{}:
			default:
			}
		},
	})
	w := &world{t: t, store: st, host: fake.New(fake.Config{Hostname: "node-1", Clock: o.clock})}
	rules, err := policy.New(policy.Compute(), policy.Options{})
	must(t, err)
	w.api, err = New(Config{
		Store: st, Policy: rules, Gate: gate{}, Images: shelf{}, Consoles: w, Forecasts: sched, Clock: o.clock, Log: slog.New(logTo{t}), Networks: o.ports,
		Servers: server.New(server.Config{Store: st, Clock: o.clock, Ops: cond, Images: shelf{}, Limits: o.limits}),
		Settings: Settings{MaxLimit: cmp.Or(o.maximum, 1000), PasswordLength: 12, ShowPassword: true,
			DefaultZone: "nova", InternalZone: "internal", DownAfter: 60},
	})
	must(t, err)
	if !o.idle {
		w.run(cond, sched, wake, log, o.clock)
	}
	return w
}

// run starts the conductor and the host's agent, and returns when the host is known.
func (w *world) run(cond *conductor.Conductor, sched *scheduler.Scheduler, wake chan struct{}, log *slog.Logger, c clock.Clock) {
	ctx, cancel := context.WithCancel(context.Background())
	a := agent.New(agent.Config{Host: "host-1", Driver: w.host, Board: cond, Clock: c, Log: log})
	done := make(chan struct{}, 3)
	for _, fn := range []func(context.Context) error{cond.Run, a.Run, func(ctx context.Context) error {
		for {
			select {
			case <-wake:
				a.Wake()
			case <-ctx.Done():
				return nil
			}
		}
	}} {
		go func() { _ = fn(ctx); done <- struct{}{} }()
	}
	w.t.Cleanup(func() { cancel(); <-done; <-done; <-done })
	<-a.Ready()
	must(w.t, sched.Refresh(ctx))
}

// ConsoleLog reads from the simulated host.
func (w *world) ConsoleLog(ctx context.Context, _, id string, lines int) ([]byte, error) {
	return w.host.ConsoleLog(ctx, id, lines)
}

// logTo fails the test for whatever is logged as an error: no request may end in a 500.
type logTo struct{ t testing.TB }

func (logTo) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (l logTo) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool { fmt.Fprint(&b, " ", a); return true })
	l.t.Errorf("%s%s", r.Message, b.String())
	return nil
}
func (l logTo) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l logTo) WithGroup(string) slog.Handler      { return l }

func flavors() []nova.Flavor {
	f := func(id, name string, vcpus, ram, root int64) nova.Flavor {
		return nova.Flavor{ID: id, Name: name, VCPUs: vcpus, MemoryMiB: ram, RootGiB: root, RxTxFactor: 1, Public: true,
			ExtraSpecs: map[string]string{"hw:x": "1"}, CreatedAt: time.Unix(1e9, 0).UTC()}
	}
	zero := f("0", "m0", 1, 64, 0)
	return []nova.Flavor{f("1", "m1.tiny", 1, 512, 1), f("2", "m1.big", 4, 4096, 10), zero}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

// do sends a request as one of the people, of version 2.v.
func (w *world) do(who string, v int, method, path, body string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://openstack.example.com"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", who)
	r.Header.Set("OpenStack-API-Version", fmt.Sprintf("compute 2.%d", v))
	rec := httptest.NewRecorder()
	w.api.Handler().ServeHTTP(rec, r)
	a := answer{rec.Code, rec.Header(), rec.Body.String()}
	if a.code >= 500 && a.code != http.StatusNotImplemented && a.code != http.StatusServiceUnavailable {
		w.t.Errorf("%s %s %s: %d %s", method, path, body, a.code, a.body)
	}
	return a
}

// want is do with a check of the status.
func (w *world) want(code int, who string, v int, method, path, body string) answer {
	w.t.Helper()
	a := w.do(who, v, method, path, body)
	if a.code != code {
		w.t.Fatalf("%s 2.%d %s %s %s: got %d %s, want %d", who, v, method, path, body, a.code, a.body, code)
	}
	return a
}

// tree decodes the body.
func (a answer) tree(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return m
}

func (a answer) server(t testing.TB) map[string]any {
	t.Helper()
	s, _ := a.tree(t)["server"].(map[string]any)
	return s
}

// boot makes a server and waits until it is active.
func (w *world) boot(who, name string) string {
	w.t.Helper()
	a := w.want(202, who, 100, "POST", "/v2.1/servers",
		`{"server":{"name":"`+name+`","flavorRef":"1","imageRef":"`+imageID+`","networks":"none"}}`)
	id, _ := a.server(w.t)["id"].(string)
	w.await(id, nova.Active)
	return id
}

// await waits until the server is in a state and nothing is done to it.
func (w *world) await(id string, vm nova.VMState) {
	w.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s := w.get(id)
		if s.VM == vm && s.Task == nova.NoTask {
			return
		}
		select {
		case <-deadline:
			w.t.Fatalf("server is %s (%s) and not %s: %+v", s.VM, s.Task, vm, s.Fault)
		case <-tick.C:
		}
	}
}

func (w *world) get(id string) *nova.Server {
	w.t.Helper()
	var s *nova.Server
	must(w.t, w.store.View(w.t.Context(), func(t *store.Tx) (err error) {
		s, err = t.Servers().Get(id)
		return err
	}))
	return s
}

// put writes servers as they are.
func (w *world) put(list ...*nova.Server) {
	w.t.Helper()
	must(w.t, w.store.Update(w.t.Context(), func(t *store.Tx) error {
		for _, s := range list {
			if err := t.Servers().Insert(s); err != nil {
				return err
			}
		}
		return nil
	}))
}

package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/bus"
	"github.com/kilonova/kilonova/internal/bus/inproc"
	"github.com/kilonova/kilonova/internal/bus/nats"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/mysql"
	"github.com/kilonova/kilonova/internal/store/postgres"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// floor is what everything stands on.
type floor struct {
	store *store.Store
	bus   bus.Bus
}

const region = "RegionOne"

// databases opens a URL by its scheme.
var databases = map[string]func(url string) (*sqldb.DB, error){
	"sqlite":   func(url string) (*sqldb.DB, error) { return sqlite.Open(strings.TrimPrefix(url, "sqlite://")) },
	"postgres": postgres.Open, "postgresql": postgres.Open,
	"mysql": mysql.Open, "mysql+pymysql": mysql.Open, "mariadb": mysql.Open,
}

func openDatabase(url string) (*sqldb.DB, error) {
	scheme, _, _ := strings.Cut(url, "://")
	open := databases[scheme]
	if open == nil {
		return nil, fmt.Errorf("database %q: the scheme is none of sqlite, postgresql, mysql", scheme)
	}
	return open(url)
}

func openStore(ctx context.Context, c *Cloud) (err error) {
	c.store, err = OpenStore(ctx, c.state.dir, c.opt.Database, c.opt.Clock)
	if err == nil {
		c.metrics.database("kilonova", c.store.Stats)
		c.onStop(func() { _ = c.store.Close() })
	}
	return err
}

// OpenStore opens the store of a cloud, by its database's URL or else in its state
// directory, and brings its schema up to date.
func OpenStore(ctx context.Context, dir, url string, clk clock.Clock) (*store.Store, error) {
	if url == "" {
		url = "sqlite://" + filepath.Join(dir, "kilonova.db")
	}
	db, err := openDatabase(url)
	if err != nil {
		return nil, err
	}
	s := store.New(db, clk)
	if err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// companionDB opens the database of a companion: its own file.
func (c *Cloud) companionDB(name string) (*sqldb.DB, error) {
	db, err := sqlite.Open(filepath.Join(c.state.dir, name+".db"))
	if err == nil {
		c.metrics.database(name, db.Stats)
		c.onStop(func() { _ = db.Close() })
	}
	return db, err
}

// openBus opens the bus: within the process, NATS with a broker of our own ("nats"), or a
// broker elsewhere.
func openBus(_ context.Context, c *Cloud) (err error) {
	switch scheme, _, _ := strings.Cut(c.opt.Bus, "://"); scheme {
	case "":
		c.bus = inproc.New(c.opt.Log)
	case "nats", "tls":
		url := c.opt.Bus
		if url == "nats" {
			url = "" // the driver's own broker
		}
		c.bus, err = nats.Open(nats.Options{URL: url}, c.opt.Log)
	default:
		err = fmt.Errorf("bus %q: the scheme is none of nats, tls", c.opt.Bus)
	}
	if err == nil {
		c.onStop(func() { _ = c.bus.Close() })
	}
	return err
}

// The ports of the services, before the offset.
const (
	identityPort  = 5000
	computePort   = 8774
	metadataPort  = 8775
	placementPort = 8778
	imagePort     = 9292
	networkPort   = 9696
)

// addr is where a service listens.
func (c *Cloud) addr(port int) string {
	return net.JoinHostPort(c.opt.Listen, strconv.Itoa(port+c.opt.PortOffset))
}

// url is how a service is reached. A wildcard address is reached by loopback.
func (c *Cloud) url(port int) string {
	host := c.opt.Listen
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port+c.opt.PortOffset))
}

// serve listens now and answers until the cloud stops.
func (c *Cloud) serve(name string, port int, h http.Handler) error {
	l, err := net.Listen("tcp", c.addr(port))
	if err != nil {
		return fmt.Errorf("%w (is another cloud up? --port-offset moves all ports)", err)
	}
	c.run(name, func(ctx context.Context) error { return httpd.Serve(ctx, l, c.metrics.count(name, c.opt.Clock, h)) })
	return nil
}

// httpClient is for our calls to the other services: connections are kept.
func httpClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = 64
	t.ResponseHeaderTimeout = 60 * time.Second
	return &http.Client{Transport: t}
}

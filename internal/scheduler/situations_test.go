package scheduler_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

var update = flag.Bool("update", false, "write the golden files")

// situation is one thing that Nova's documentation says of how a host is chosen, tried on the
// whole scheduler: a nova.conf, what was done before (stage_test.go reads it), what a server
// asks, and where it goes.
type situation struct {
	rule  string // what is documented, in one line
	conf  string // [group] option = value, by " | "
	stage string // statements, by " | "
	ask   string
	// want are the hosts of the servers that ask, one after another; "-" for one that is
	// refused. "b then a" names the alternates too. "no TEXT" is a refusal that says TEXT.
	want string
}

// chapter is situations about one subject.
type chapter struct {
	title string
	about string
	list  []situation
}

// book is all of them, in the order of the page.
var book = []chapter{
	{"Room", "Placement counts what hosts have: no filter is needed for it.", room},
	{"Resources, traits and groups of a flavor", "Extra specs of a flavor are questions to Placement.", resources},
	{"Zones", "An aggregate with the key availability_zone is a zone.", zones},
	{"Hosts that are named", "A zone of the form zone:host:node passes over the filters; host and hypervisor_hostname of microversion 2.74 do not.", named},
	{"Hosts that are off", "ComputeFilter, and the trait COMPUTE_STATUS_DISABLED.", off},
	{"What hosts tell of themselves", "ComputeCapabilitiesFilter.", capable},
	{"Images", "ImagePropertiesFilter, IsolatedHostsFilter, and the filters of the question to Placement that look at images.", images},
	{"Aggregates", "Keys of aggregates that filters look at.", aggregates},
	{"Hints", "What os:scheduler_hints may say.", hints},
	{"Server groups", "The policies, and max_server_per_host.", grouped},
	{"NUMA, pinned processors and huge pages", "NUMATopologyFilter: it judges every request that asks for such things, be it configured or not.", numaCells},
	{"Devices", "PCI passthrough, SR-IOV and virtual GPUs.", devices},
	{"Networks", "Near which cells their cards are, and which segments of routed networks hosts reach. A server has `physnet`, `tunnel` and `routed` by its networks; of a host, `physnet=blue@1` is a card near cell 1, and `tunnels=1` the one that tunnels end at.", networked},
	{"Weighers", "All are on; they order the hosts that passed.", weighers},
	{"Load and former filters", "Filters that count servers, and those that Placement has replaced.", loads},
	{"Drivers, retries, filters of one's own", "", drivers},
	{"Where Nova does otherwise", otherwise, apart},
}

func TestSituationsEndAsNovasDocumentationSays(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(preface)
	n := 0
	for _, c := range book {
		fmt.Fprintf(&page, "\n## %s\n", c.title)
		if c.about != "" {
			fmt.Fprintf(&page, "\n%s\n", c.about)
		}
		for i := range c.list {
			x := &c.list[i]
			n++
			t.Run(c.title+"/"+x.rule, func(t *testing.T) {
				got := play(t, x)
				if ok := x.want == got || strings.HasPrefix(x.want, "no ") && strings.HasPrefix(got, "refused: ") && strings.Contains(got, x.want[3:]); !ok {
					t.Errorf("%s\n  %s\n  asked: %s\n  got    %s\n  wanted %s", x.conf, x.stage, x.ask, got, x.want)
				}
				x.print(&page, n, got)
			})
		}
	}
	if n < 60 {
		t.Errorf("only %d situations", n)
	}
	const path = "../../docs/scheduling.md"
	if *update {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(page.Bytes(), want) && !t.Failed() {
		t.Errorf("%s is old: run make docs (%v)", path, err)
	}
}

const preface = `# How a host is chosen

What the scheduler does in situations that Nova's documentation describes, filter by filter, and what it says where no host will do. The page is printed by a
test that plays each of them on the whole scheduler: hosts announce themselves as agents do, aggregates, services and groups are changed as the API changes
them, and the claim is made in a database.

A host has 8 processors, 8192 MiB and 100 GiB where nothing else is said, of which 512 MiB are reserved; a server asks for 1 VCPU, 512 MiB and 1 GiB. "wants"
are what it asks: amounts, ` + "`spec:`" + ` an extra spec of its flavor, ` + "`image:`" + ` a property of its image, ` + "`hint:`" + ` a scheduler hint, ` + "`count`" + ` so many servers one after
another. "gets" is the host, or one for each; - is a refusal. How hosts and servers were made is above it; what is in nova.conf above that.
`

// print writes the situation as the page shows it.
func (x *situation) print(w *bytes.Buffer, n int, got string) {
	fmt.Fprintf(w, "\n**%d. %s**\n\n<!-- shown: a situation -->\n", n, x.rule)
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(w, "    %-6s %s\n", what, text)
		}
	}
	for s := range strings.SplitSeq(x.conf, " | ") {
		line("conf", s)
	}
	for s := range strings.SplitSeq(x.stage, " | ") {
		line("", s)
	}
	line("wants", orText(x.ask, "nothing more"))
	line("gets", got)
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// play makes the stage, and has the servers ask.
func play(t *testing.T, x *situation) string {
	t.Helper()
	st := newStage(t, x.conf)
	for s := range strings.SplitSeq(x.stage, " | ") {
		st.do(s)
	}
	if !st.looked {
		st.refresh()
	}
	count, then := 1, strings.Contains(x.want, " then ")
	var got []string
	for i := 0; i < count; i++ {
		v, opt := st.server(fmt.Sprint("new", i+1), words(x.ask))
		count, st.draw = max(opt.count, 1), opt.draw
		at, err := st.claim(v, opt.avoid)
		switch {
		case err == nil && then:
			for _, p := range at.Alternates {
				got = append(got, p.Host)
			}
			return at.Host + " then " + orText(strings.Join(got, " "), "none")
		case err == nil:
			got = append(got, at.Host)
			st.keep(v, at)
		case nova.KindOf(err) != nova.Invalid:
			t.Fatalf("%v", err)
		case count > 1:
			got = append(got, "-")
		default:
			return "refused: " + st.plain(err.Error())
		}
	}
	return strings.Join(got, " ")
}

package bans

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestLoad(t *testing.T) {
	day := noon.Add(24 * time.Hour)
	known := incident.Ban{Prefix: guessers, Since: noon.Add(-time.Hour), Until: day, Reason: "3 points", Origin: "guessing", Offence: 2}
	office := incident.Ban{Prefix: netip.MustParsePrefix("198.51.100.10/32"), Until: day}
	for name, tc := range map[string]struct {
		ledger  []incident.Ban
		kernel  []incident.Ban
		partial bool
		drops   string // by the kernel afterwards
		holds   string // the registry
		asked   string // of the kernel
		written string // into the ledger
	}{
		"nothing": {asked: "reconcile"},
		"a reboot: the ledger alone knows": {
			ledger: []incident.Ban{known},
			drops:  "192.0.2.0/24", holds: "192.0.2.0/24", asked: "reconcile 192.0.2.0/24",
		},
		"both know": {
			ledger: []incident.Ban{known}, kernel: []incident.Ban{known},
			drops: "192.0.2.0/24", holds: "192.0.2.0/24", asked: "reconcile 192.0.2.0/24",
		},
		"the kernel alone knows": {
			kernel: []incident.Ban{{Prefix: another, Until: day}},
			drops:  "203.0.113.9/32", holds: "203.0.113.9/32", asked: "reconcile 203.0.113.9/32", written: "put 203.0.113.9",
		},
		"the kernel holds a ban in pieces": {
			ledger: []incident.Ban{known},
			kernel: []incident.Ban{{Prefix: netip.MustParsePrefix("192.0.2.0/25"), Until: day}, {Prefix: netip.MustParsePrefix("192.0.2.128/25"), Until: day}},
			drops:  "192.0.2.0/24", holds: "192.0.2.0/24", asked: "reconcile 192.0.2.0/24",
		},
		"the allow list covers a ban by now": {
			ledger: []incident.Ban{known, office}, kernel: []incident.Ban{known, office},
			drops: "192.0.2.0/24", holds: "192.0.2.0/24", asked: "reconcile 192.0.2.0/24", written: "delete 198.51.100.10 by the allow list",
		},
		"the allow list covers what the kernel alone knows": {
			kernel: []incident.Ban{office}, asked: "reconcile",
		},
		"the ledger is damaged: the kernel keeps what it has": {
			ledger: []incident.Ban{known}, kernel: []incident.Ban{{Prefix: another, Until: day}}, partial: true,
			drops: "192.0.2.0/24 203.0.113.9/32", holds: "192.0.2.0/24 203.0.113.9/32", asked: "ban 192.0.2.0/24 203.0.113.9/32", written: "put 203.0.113.9",
		},
		"the ledger is damaged, and the allow list covers what the kernel has": {
			ledger: []incident.Ban{known}, kernel: []incident.Ban{office}, partial: true,
			drops: "192.0.2.0/24", holds: "192.0.2.0/24", asked: "release 198.51.100.10/32; ban 192.0.2.0/24",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, k, l := &Registry{}, newKernel(tc.kernel...), &paper{}
			allowed := func(p netip.Prefix) bool { return p == office.Prefix }
			if err := Load(noon, r, k, l, Remembered{Bans: tc.ledger, Partial: tc.partial}, allowed); err != nil {
				t.Fatal(err)
			}
			asked := strings.Split(k.story(), "; ")
			for i, a := range asked {
				words := strings.Fields(a)
				slices.Sort(words[1:])
				asked[i] = strings.Join(words, " ")
			}
			if got := strings.Join(asked, "; "); got != tc.asked {
				t.Errorf("the kernel was asked %q, want %q", got, tc.asked)
			}
			if k.drops() != tc.drops || sorted(prefixes(r.List(noon))) != tc.holds || l.story() != tc.written {
				t.Errorf("dropped %q, registered %q, recorded %q", k.drops(), sorted(prefixes(r.List(noon))), l.story())
			}
			if ban, ok := r.Exact(noon, guessers); ok && ban != known {
				t.Errorf("the ledger's ban has become %+v", ban)
			}
			if ban, ok := r.Exact(noon, another); ok && (ban.Origin != incident.OriginKernel || ban.Since != noon || ban.Until != day || ban.Step != incident.StepUnknown || ban.Reason == "") {
				t.Errorf("the kernel's ban has become %+v", ban)
			}
		})
	}
}

func TestLoadSaysWhatTheKernelRefused(t *testing.T) {
	k := newKernel()
	k.set(true, true)
	err := Load(noon, &Registry{}, k, &paper{}, Remembered{Bans: twoBans}, func(netip.Prefix) bool { return false })
	if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "2 bans") {
		t.Errorf("%v", err)
	}
}

// What the ledger holds beyond the table's room stops no start, and is tried again.
func TestLoadMoreThanThereIsRoomFor(t *testing.T) {
	for _, partial := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k, r := newKernel(), &Registry{}
			k.room = 1
			err := Load(noon, r, k, &paper{}, Remembered{Bans: twoBans, Partial: partial}, func(netip.Prefix) bool { return false })
			if !errors.Is(err, ErrFull) || len(k.Bans(noon)) != 1 || r.Count() != 2 {
				t.Fatalf("partial %t: %v; %d dropped of %d", partial, err, len(k.Bans(noon)), r.Count())
			}
			k.room = 2
			q := queueOf(k, twoBans...)
			q.SetFull()
			runQueue(t, q)
			time.Sleep(roomEvery + time.Second)
			synctest.Wait()
			if len(k.Bans(noon)) != 2 || q.Full() {
				t.Errorf("partial %t: %s dropped when there is room", partial, k.drops())
			}
		})
	}
}

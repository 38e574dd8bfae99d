package bans

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func address(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

func TestRegistryKnowsWhatCovers(t *testing.T) {
	r := &Registry{}
	r.Put(incident.Ban{Prefix: guesser, Since: noon, Until: noon.Add(time.Minute)})
	r.Put(incident.Ban{Prefix: guessers, Since: noon, Until: noon.Add(time.Hour)})
	for name, tc := range map[string]struct {
		at   time.Time
		ask  string
		want string
	}{
		"its own ban":                    {noon, "192.0.2.66/32", "192.0.2.66/32"},
		"the network around it":          {noon, "192.0.2.7/32", "192.0.2.0/24"},
		"its own ran out, the net holds": {noon.Add(2 * time.Minute), "192.0.2.66/32", "192.0.2.0/24"},
		"all ran out":                    {noon.Add(2 * time.Hour), "192.0.2.66/32", ""},
		"a wider prefix is not covered":  {noon, "192.0.0.0/16", ""},
	} {
		got := ""
		if ban, ok := r.Covering(tc.at, netip.MustParsePrefix(tc.ask)); ok {
			got = ban.Prefix.String()
		}
		if got != tc.want {
			t.Errorf("%s: covered by %q, want %q", name, got, tc.want)
		}
	}
	r.Prune(noon.Add(2 * time.Minute))
	if r.bans.Size() != 1 {
		t.Errorf("%d bans after pruning, want 1", r.bans.Size())
	}
}

// A ban that drops everything is what covers an address, also from further out.
func TestProvenBanCoversBeforeASpoofableOne(t *testing.T) {
	r := &Registry{}
	r.Put(incident.Ban{Prefix: guesser, Since: noon, Until: noon.Add(time.Hour), Scope: incident.ScopeSIP})
	if ban, ok := r.Covering(noon, guesser); !ok || ban.Scope != incident.ScopeSIP {
		t.Errorf("covered by %+v", ban)
	}
	r.Put(incident.Ban{Prefix: guessers, Since: noon, Scope: incident.ScopeAll})
	if ban, ok := r.Covering(noon, guesser); !ok || ban.Prefix != guessers {
		t.Errorf("covered by %+v", ban)
	}
}

// The ban of an address at Asterisk's ports comes before one that may be spoofed, and one
// of everything around it before that.
func TestWiderBanCovers(t *testing.T) {
	r := &Registry{}
	r.Put(incident.Ban{Prefix: guesser, Since: noon, Until: noon.Add(time.Hour), Scope: incident.ScopeAsterisk})
	r.Put(incident.Ban{Prefix: guessers, Since: noon, Scope: incident.ScopeSIP})
	if ban, ok := r.Covering(noon, guesser); !ok || ban.Prefix != guesser {
		t.Errorf("covered by %+v", ban)
	}
	r.Put(incident.Ban{Prefix: guessers, Since: noon, Scope: incident.ScopeAll})
	if ban, ok := r.Covering(noon, guesser); !ok || ban.Prefix != guessers {
		t.Errorf("covered by %+v", ban)
	}
}

func TestRenewable(t *testing.T) {
	r := &Registry{}
	until := noon.Add(10 * time.Minute)
	for name, tc := range map[string]struct {
		scope incident.Scope
		at    time.Time
		want  bool
	}{
		"in force":               {incident.ScopeSIP, noon, false},
		"just ended":             {incident.ScopeSIP, until, true},
		"a brief one":            {incident.ScopeBrief, until, true},
		"almost an hour later":   {incident.ScopeSIP, until.Add(time.Hour - 1), true},
		"an hour later":          {incident.ScopeSIP, until.Add(time.Hour), false},
		"a proven one is served": {incident.ScopeAll, until, false},
	} {
		r.Put(incident.Ban{Prefix: guesser, Since: noon, Until: until, Scope: tc.scope})
		if _, got := r.Renewable(tc.at, guesser); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
		if _, got := r.Renewable(tc.at, guessers); got {
			t.Errorf("%s: the network's, too", name)
		}
	}
}

// The count follows every change, and is exact once what ended was pruned.
func TestRegistryCount(t *testing.T) {
	now := noon
	r := &Registry{}
	check := func(what string) {
		t.Helper()
		if got, want := r.Count(), len(r.List(now)); got != want {
			t.Errorf("%s: counts %d, lists %d", what, got, want)
		}
	}
	for i := range 30 {
		ban := incident.Ban{Prefix: address(i), Since: now, Until: now.Add(time.Duration(1+i%3) * time.Hour)}
		if i%2 == 0 {
			ban.Scope = incident.ScopeSIP
		}
		r.Put(ban)
	}
	check("after putting")
	r.Put(incident.Ban{Prefix: address(1), Since: now, Until: now.Add(time.Hour)})
	r.Remove(address(2))
	r.Remove(address(200))
	check("after changes")
	now = now.Add(90 * time.Minute)
	r.Prune(now)
	check("after a third ended, half of it renewable")
	r.Put(incident.Ban{Prefix: address(0), Since: now, Until: now.Add(time.Hour)})
	r.Remove(address(6))
	check("after a renewable ban came back and another was released")
	now = now.Add(24 * time.Hour)
	r.Prune(now)
	check("after all ended")
	if r.Count() != 0 || r.bans.Size() != 0 || r.Spoofable() != 0 {
		t.Errorf("%d bans counted, %d kept, %d of them spoofable; want none", r.Count(), r.bans.Size(), r.Spoofable())
	}
}

// What ran out is reported once, however long it stays renewable.
func TestPruneReportsTheEndOnce(t *testing.T) {
	r := &Registry{}
	r.Put(incident.Ban{Prefix: guesser, Since: noon, Until: noon.Add(10 * time.Minute), Scope: incident.ScopeSIP})
	r.Put(incident.Ban{Prefix: another, Since: noon, Until: noon.Add(2 * time.Hour)})
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{5 * time.Minute, ""}, {11 * time.Minute, "192.0.2.66/32"}, {30 * time.Minute, ""}, {3 * time.Hour, "203.0.113.9/32"}, {4 * time.Hour, ""},
	} {
		if got := sorted(prefixes(r.Prune(noon.Add(step.after)))); got != step.want {
			t.Errorf("after %s: %q ended, want %q", step.after, got, step.want)
		}
	}
}

// Many spoofed addresses: there is a bound, and nobody stays renewable when room
// is short.
func TestSpoofableBansAreBounded(t *testing.T) {
	r := &Registry{}
	for i := range MaxSpoofable {
		if r.Full() {
			t.Fatalf("full with %d", i)
		}
		r.Put(incident.Ban{Prefix: address(i), Since: noon, Until: noon.Add(time.Minute), Scope: incident.ScopeSIP})
	}
	if !r.Full() {
		t.Error("not full")
	}
	r.Put(incident.Ban{Prefix: guesser, Since: noon})
	r.Prune(noon.Add(time.Minute))
	if r.Full() || r.Spoofable() != 0 || r.Count() != 1 {
		t.Errorf("%d spoofable and %d in all are kept", r.Spoofable(), r.Count())
	}
}

func TestNewestFirst(t *testing.T) {
	list := []incident.Ban{
		{Prefix: address(2), Since: noon}, {Prefix: address(3), Since: noon.Add(time.Hour)}, {Prefix: address(1), Since: noon},
	}
	NewestFirst(list)
	if got := incident.PrefixesText(prefixes(list)); got != "10.0.0.3/32 10.0.0.1/32 10.0.0.2/32" {
		t.Errorf("%s", got)
	}
}

// simple is the registry as one would write it down first.
type simple map[netip.Prefix]incident.Ban

func (s simple) list(now time.Time) (list []netip.Prefix) {
	for p, b := range s {
		if b.InForce(now) {
			list = append(list, p)
		}
	}
	return list
}

func (s simple) covering(now time.Time, prefix netip.Prefix) (found incident.Ban, ok bool) {
	for _, p := range s.list(now) {
		ban := s[p]
		if p.Bits() > prefix.Bits() || !p.Contains(prefix.Addr()) {
			continue
		}
		if !ok || !ban.Spoofable() {
			found, ok = ban, true
		}
	}
	return found, ok
}

// Whatever is banned, released and forgotten in whatever order: the registry
// says what a plain map says.
func TestRegistryAgainstAModel(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		r, model, now := &Registry{}, simple{}, noon
		prefix := func() netip.Prefix {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(8))}), 32)
			return netip.PrefixFrom(p.Addr(), 32-random.IntN(4)).Masked()
		}
		for range 60 {
			p := prefix()
			switch random.IntN(6) {
			case 0, 1, 2:
				ban := incident.Ban{Prefix: p, Since: now, Scope: []incident.Scope{incident.ScopeAll, incident.ScopeSIP, incident.ScopeBrief}[random.IntN(3)]}
				if random.IntN(4) > 0 {
					ban.Until = now.Add(time.Duration(1+random.IntN(90)) * time.Minute)
				}
				r.Put(ban)
				model[p] = ban
			case 3:
				r.Remove(p)
				delete(model, p)
			case 4:
				now = now.Add(time.Duration(random.IntN(60)) * time.Minute)
			case 5:
				r.Prune(now)
				if got, want := r.Count(), len(model.list(now)); got != want {
					t.Fatalf("seed %d: %d are counted, %d in force", seed, got, want)
				}
				// Only what has long ended is forgotten.
				for p := range model {
					_, renewable := r.Renewable(now, p)
					was := model[p]
					if want := was.Spoofable() && !was.Network() && !was.InForce(now) && now.Sub(was.Until) < renewWithin; renewable != want {
						t.Fatalf("seed %d: %s is renewable: %t", seed, p, renewable)
					}
				}
			}
			if got, want := sorted(prefixes(r.List(now))), sorted(model.list(now)); got != want {
				t.Fatalf("seed %d: in force are %s, want %s", seed, got, want)
			}
			closed := 0
			for _, b := range r.Closed() {
				if b.InForce(now) {
					closed++
				}
			}
			for _, b := range model {
				if b.InForce(now) && b.Spoofable() && b.Network() {
					closed--
				}
			}
			if closed != 0 {
				t.Fatalf("seed %d: %d more networks are closed", seed, closed)
			}
			ask := prefix()
			got, ok := r.Covering(now, ask)
			want, wantOK := model.covering(now, ask)
			if ok != wantOK || got.Spoofable() != want.Spoofable() {
				t.Fatalf("seed %d: %s is covered by %+v, want %+v", seed, ask, got, want)
			}
			if ban, exact := r.Exact(now, ask); exact && ban != model[ask] || exact != model[ask].Prefix.IsValid() && exact {
				t.Fatalf("seed %d: the ban of %s is %+v", seed, ask, ban)
			}
			for _, b := range r.Within(now, ask) {
				if !ask.Overlaps(b.Prefix) || b.Prefix.Bits() < ask.Bits() {
					t.Fatalf("seed %d: %s lies within %s", seed, b.Prefix, ask)
				}
			}
		}
	}
}

// Networks closed on spoofable evidence have little room, and make it for the
// newest; a person's bans of networks and ended ones take none of it.
func TestClosedNetworksMakeRoom(t *testing.T) {
	r := &Registry{}
	closed := func(n int, since time.Time) {
		r.Put(incident.Ban{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24), Since: since, Until: since.Add(10 * time.Minute), Scope: incident.ScopeSIP})
	}
	r.Put(incident.Ban{Prefix: guessers, Since: noon})
	r.Put(incident.Ban{Prefix: guesser, Since: noon, Until: noon.Add(time.Hour), Scope: incident.ScopeSIP})
	for n := range MaxClosed {
		if _, crowded := r.Crowded(); crowded {
			t.Fatalf("crowded with %d", n)
		}
		closed(n, noon.Add(time.Duration(MaxClosed-n)*time.Second))
	}
	if oldest, crowded := r.Crowded(); !crowded || oldest.Prefix.String() != "10.3.255.0/24" {
		t.Errorf("crowded: %t, %s", crowded, oldest.Prefix)
	}
	closed(0, noon.Add(time.Hour)) // again
	if len(r.Closed()) != MaxClosed {
		t.Errorf("%d closed", len(r.Closed()))
	}
	r.Prune(noon.Add(40 * time.Minute))
	if len(r.Closed()) != 1 || r.Spoofable() != 2 {
		t.Errorf("%d closed, %d spoofable", len(r.Closed()), r.Spoofable())
	}
}

package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func flowAt(at string, until time.Time) incident.PartialBlock {
	return incident.PartialBlock{Kind: incident.BlockedFlow, Flow: netip.MustParseAddrPort(at), Account: "1004", Since: noon, Until: until}
}

func throttleOf(prefix string) incident.PartialBlock {
	return incident.PartialBlock{Kind: incident.ThrottledAddress, Address: netip.MustParsePrefix(prefix), Since: noon, Until: noon.Add(10 * time.Minute)}
}

// partials are partial blocks in memory, with a kernel that may refuse.
type partials struct {
	list   []incident.PartialBlock
	refuse bool
	full   bool
}

func (p *partials) PartialBlocks(time.Time) []incident.PartialBlock { return slices.Clone(p.list) }

func (p *partials) Lift(b incident.PartialBlock, done func(error)) (room bool) {
	if p.full {
		return false
	}
	if p.refuse {
		done(errLost)
		return true
	}
	p.list = slices.DeleteFunc(p.list, func(is incident.PartialBlock) bool { return is == b })
	done(nil)
	return true
}

func (p *partials) String() string {
	var words []string
	for _, b := range p.list {
		words = append(words, b.Target())
	}
	return strings.Join(words, " ")
}

// What a person releases: one flow by its port, everything about an address without.
func TestUnbanOfPartialBlocks(t *testing.T) {
	all := []incident.PartialBlock{
		flowAt("203.0.113.9:5070", noon), flowAt("203.0.113.9:5071", noon), throttleOf("203.0.113.9/32"), flowAt("[2001:db8::1]:5060", noon), throttleOf("2001:db8::/64"),
	}
	const everything = "203.0.113.9:5070 203.0.113.9:5071 203.0.113.9 [2001:db8::1]:5060 2001:db8::/64"
	for _, tt := range []struct {
		what   string
		left   string
		refuse string // the beginning of the refusal
	}{
		{"203.0.113.9:5070", "203.0.113.9:5071 203.0.113.9 [2001:db8::1]:5060 2001:db8::/64", ""},
		{"203.0.113.9:5072", everything, "refused: 203.0.113.9:5072 is not blocked: `tollwarden bans` lists what is"},
		{"192.0.2.66:5060", everything, "refused: 192.0.2.66:5060 is not blocked: all of 192.0.2.66 is, and `tollwarden unban 192.0.2.66` releases it"},
		{"203.0.113.9", "[2001:db8::1]:5060 2001:db8::/64", ""},
		{"203.0.113.8", everything, "refused: 203.0.113.8 is not banned"},
		{"203.0.113.0/24", "[2001:db8::1]:5060 2001:db8::/64", ""},
		{"[2001:db8::1]:5060", "203.0.113.9:5070 203.0.113.9:5071 203.0.113.9 2001:db8::/64", ""},
		{"2001:db8::1", "203.0.113.9:5070 203.0.113.9:5071 203.0.113.9", ""},
		{"2001:db8::2", "203.0.113.9:5070 203.0.113.9:5071 203.0.113.9 [2001:db8::1]:5060", ""},
		{"2001:db8::/64", "203.0.113.9:5070 203.0.113.9:5071 203.0.113.9", ""},
		{"all", "", ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite()
				s.run(t)
				p := &partials{list: slices.Clone(all)}
				s.Partial = p
				s.ban(t, incident.Ban{Prefix: guesser})
				var r Released
				var err error
				if flow, no := netip.ParseAddrPort(tt.what); no == nil {
					r, err = s.UnbanFlow(flow, false, 7)
				} else if tt.what == "all" {
					r, err = s.UnbanAll(false, 7)
				} else {
					prefix, _ := incident.ParsePrefix(tt.what)
					r, err = s.Unban(prefix, false, 7)
				}
				if tt.refuse != "" {
					if !errors.Is(err, incident.ErrRefused) || !strings.HasPrefix(err.Error(), tt.refuse) || len(s.acted) > 0 {
						t.Errorf("%v, recorded %q", err, s.acted)
					}
				} else if err != nil || len(r.Partial) != len(all)-len(p.list) || len(s.acted) != 1 || len(s.cleared) < len(r.Partial) {
					t.Errorf("%v, released %+v, recorded %q, cleared %v", err, r, s.acted, s.cleared)
				}
				if got := p.String(); got != tt.left {
					t.Errorf("left %s, want %s", got, tt.left)
				}
			})
		})
	}
}

// What the kernel does not end is reported, and stays.
func TestPartialBlockThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		p := &partials{list: []incident.PartialBlock{flowAt("203.0.113.9:5070", noon)}, refuse: true}
		s.Partial = p
		if _, err := s.Unban(another, false, 7); !errors.Is(err, errLost) || err.Error() != "let 203.0.113.9:5070 through: "+errLost.Error() {
			t.Error(err)
		}
		p.full = true
		if _, err := s.UnbanAll(false, 7); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		if len(p.list) != 1 || len(s.acted) > 0 {
			t.Errorf("left %s, recorded %q", p, s.acted)
		}
	})
}

// A flow is listed while it is dropped; it keeps since when, and its incident.
func TestFlows(t *testing.T) {
	var f Flows
	list := func(now time.Time) string {
		var words []string
		for _, b := range f.List(now) {
			words = append(words, fmt.Sprintf("%s %s to %s #%d", b.Target(), b.Since.Format("15:04"), b.Until.Format("15:04"), b.Incident))
		}
		slices.Sort(words)
		return strings.Join(words, "; ")
	}
	check := func(what string, now time.Time, want string) {
		t.Helper()
		if got := list(now); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	put := func(at string, n int) netip.AddrPort {
		b := flowAt(at, minute(n+10))
		b.Since = minute(n)
		f.Put(minute(n), b)
		return b.Flow
	}
	at := put("203.0.113.9:5070", 0)
	f.Recorded(at, false, 7)
	if b, ok := f.Acknowledged(at, false, nil); !ok || b.Incident != 7 {
		t.Errorf("acknowledged %+v, %t", b, ok)
	}
	check("dropped", minute(1), "203.0.113.9:5070 12:00 to 12:10 #7")
	put("203.0.113.9:5070", 5)
	check("renewed", minute(6), "203.0.113.9:5070 12:00 to 12:15 #7")
	f.Acknowledged(at, false, errLost)
	check("which the kernel refused", minute(6), "203.0.113.9:5070 12:00 to 12:10 #7")
	if ended := f.Prune(minute(11)); len(ended) != 1 || len(f.Prune(minute(12))) != 0 {
		t.Errorf("ended %v", ended)
	}
	check("ended", minute(11), "")
	other := put("203.0.113.9:5071", 20)
	check("the phone goes on from another port", minute(20), "203.0.113.9:5071 12:20 to 12:30 #7")
	f.Acknowledged(other, false, errLost)
	check("never dropped", minute(20), "")
	put("203.0.113.9:5071", 21)
	undo := f.Remove(flowAt("203.0.113.9:5071", noon))
	check("lifted", minute(21), "")
	undo()
	check("not lifted", minute(21), "203.0.113.9:5071 12:21 to 12:31 #7")
	f.Prune(minute(2 * 24 * 60))
	if len(f.by) != 0 {
		t.Errorf("remembered: %v", f.by)
	}
}

// Whoever brings about very many flows fills no more than the registry: the one that
// ends first is let through for each.
func TestFlowsAreBounded(t *testing.T) {
	var f Flows
	for i := range MaxFlows {
		b := flowAt("203.0.113.9:5070", noon.Add(time.Hour+time.Duration(i)*time.Second))
		b.Flow = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 5060)
		if _, full := f.Put(noon, b); full {
			t.Fatalf("full after %d", i)
		}
	}
	evicted, full := f.Put(noon, flowAt("203.0.113.9:5070", noon.Add(time.Minute)))
	if !full || evicted.Flow.String() != "198.18.0.0:5060" || len(f.List(noon)) != MaxFlows {
		t.Errorf("evicted %+v, %t, %d left", evicted, full, len(f.by))
	}
	if evicted, full := f.Put(noon.Add(2*time.Minute), flowAt("203.0.113.9:5071", noon.Add(time.Hour))); full {
		t.Errorf("evicted one in force, %+v, beside one that had ended", evicted)
	}
}

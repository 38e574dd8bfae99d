package places

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

var (
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	office = netip.MustParseAddr("198.51.100.10")
	home   = netip.MustParseAddr("192.0.2.10")
	thief  = netip.MustParseAddr("203.0.113.66")
)

// against is what is known against accounts and addresses.
type against struct {
	guessed bool // others failed for every account
	source  netip.Addr
	proof   score.Proof // of every account's failures at source
}

func (a against) Guessed(string) bool { return a.guessed }

func (a against) Failed(_ string, at netip.Addr, least score.Proof) bool {
	return a.source.IsValid() && at == a.source && a.proof >= least
}

// never is a quiet day: nothing is known against anybody.
var never against

// failedAt says that every account has failed at an address, by such evidence.
func failedAt(source netip.Addr, proof score.Proof) against {
	return against{source: source, proof: proof}
}

func success(account string, source netip.Addr) *score.Observation {
	return &score.Observation{Account: []byte(account), Source: source, Port: 5060}
}

func why(p *Places, source netip.Addr) string { return p.Why(event.SourcePrefix(source)) }

// A break-in takes the protection that its account gave, and no other's.
func TestBetrayed(t *testing.T) {
	p := New(Config{}, nil)
	for _, at := range []struct {
		source  netip.Addr
		account string
	}{{office, "1001"}, {office, "1002"}, {office, "1003"}, {home, "1002"}} {
		p.Protect(success(at.account, at.source), never)
	}
	says := func(when string, source netip.Addr, want string) {
		t.Helper()
		if got := why(p, source); got != want {
			t.Errorf("%s: %s is protected: %q, want %q", when, source, got, want)
		}
		network, objection := netip.PrefixFrom(source, 24), ""
		if want != "" {
			objection = source.String() + " is protected: " + want
		}
		if got := p.Objection(network); p.overlaps(network) != (want != "") || got != objection {
			t.Errorf("%s: to ban %q objects %q, want %q", when, network, got, objection)
		}
	}
	says("before", office, "registered contact of 1001 and 2 more")
	says("before", home, "registered contact of 1002")
	p.Betrayed("1002")
	says("afterwards", office, "registered contact of 1001 and 1 more")
	says("afterwards", home, "")
}

func TestAllowed(t *testing.T) {
	p := New(Config{}, []netip.Prefix{netip.MustParsePrefix("198.51.100.77/24"), netip.MustParsePrefix("2001:db8::/32")})
	check := func(list map[string]bool) {
		t.Helper()
		for prefix, want := range list {
			if got := p.Allowed(netip.MustParsePrefix(prefix)); got != want {
				t.Errorf("%s is allowed: %t", prefix, got)
			}
		}
	}
	check(map[string]bool{"198.51.100.10/32": true, "198.51.100.0/24": true, "198.51.0.0/16": false, "192.0.2.1/32": false, "2001:db8:1::/64": true})
	if p.Allowed(netip.Prefix{}) {
		t.Error("no address is allowed")
	}
	if got := p.Objection(netip.MustParsePrefix("198.51.0.0/16")); got != "198.51.0.0/16 is on the allow list, or holds an address that is" {
		t.Errorf("%q", got)
	}
	p.SetAllow([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	check(map[string]bool{"198.51.100.10/32": false, "192.0.2.1/32": true})
}

func TestCarriers(t *testing.T) {
	p := New(Config{}, nil)
	p.SetCarriers([]Protected{
		{netip.MustParsePrefix("203.0.113.5/28"), "pjsip.conf: identify carrier"},
		{netip.MustParsePrefix("0.0.0.0/0"), "an identify that matches everybody"},
		{netip.Prefix{}, "a name that does not resolve"},
	})
	for prefix, want := range map[string]string{
		"203.0.113.0/28": "pjsip.conf: identify carrier", "203.0.113.9/32": "pjsip.conf: identify carrier",
		"203.0.113.0/24": "", "203.0.113.17/32": "", "192.0.2.1/32": "",
	} {
		if got := p.Why(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s is protected: %q, want %q", prefix, got, want)
		}
	}
	if p.Why(netip.Prefix{}) != "" {
		t.Error("no address is protected")
	}
	if got := p.Objection(netip.MustParsePrefix("203.0.113.0/24")); got != "203.0.113.0/28 is protected: pjsip.conf: identify carrier" {
		t.Errorf("%q", got)
	}
	p.SetCarriers(nil)
	if got := p.Objection(netip.MustParsePrefix("203.0.113.0/24")); got != "" {
		t.Errorf("a carrier that is gone: %q", got)
	}
}

// A registration protects its address where the account is at home; of an
// account that nothing is known of, it says where home is.
func TestSetContacts(t *testing.T) {
	contacts := []Contact{{Account: "1002", Source: office, Port: 5070}}
	atHome := func(p *Places) { p.Know("1002", office, noon) }
	stolen := func(p *Places) { p.Know("1002", thief, noon) }
	nothing := func(*Places) {}
	guessedAnd := func(a against) against { a.guessed = true; return a }
	for name, c := range map[string]struct {
		before  func(*Places)
		met     bool // registrations were taken in before
		against against
		want    string
	}{
		"nothing is known":                           {nothing, true, never, "registered contact of 1002"},
		"it is at home there":                        {atHome, true, never, "registered contact of 1002"},
		"it is at home elsewhere":                    {stolen, true, never, ""},
		"others guess, and it is a later one":        {nothing, true, guessedAnd(never), ""},
		"others guess, and the daemon is new":        {nothing, false, guessedAnd(never), "registered contact of 1002"},
		"the address failed itself, perhaps spoofed": {nothing, false, guessedAnd(failedAt(office, score.Spoofable)), ""},
		"the address failed itself, for certain":     {nothing, true, failedAt(office, score.Proven), ""},
		"spoofed failures of who is at home":         {atHome, true, failedAt(office, score.Spoofable), "registered contact of 1002"},
		"somebody succeeded while the daemon is new": {stolen, false, never, ""},
	} {
		p := New(Config{}, nil)
		p.met = c.met
		c.before(p)
		p.SetContacts(noon, contacts, c.against)
		if got := why(p, office); got != c.want {
			t.Errorf("%s: protected %q, want %q", name, got, c.want)
		}
	}
}

// A phone that is switched off keeps its address protected; one that is
// forgotten, or failed for certain, protects nothing.
func TestProvenAddressIsProtected(t *testing.T) {
	p := New(Config{Remember: 24 * time.Hour}, nil)
	p.Know("1002", office, noon)
	p.Protect(success("1002", office), never)
	if got := why(p, office); got != "registered contact of 1002" {
		t.Fatalf("after a success: %q", got)
	}
	p.SetContacts(noon, nil, never)
	if got := why(p, office); got != "used by 1002" {
		t.Errorf("with the phone switched off: %q", got)
	}
	all := map[string]string{}
	p.SetCarriers([]Protected{{netip.MustParsePrefix("203.0.113.0/28"), "a carrier"}})
	p.Protect(success("1001", home), never)
	for prefix, why := range p.Protected() {
		all[prefix.String()] = why
	}
	if fmt.Sprint(all) != "map[192.0.2.10/32:registered contact of 1001 198.51.100.10/32:used by 1002 203.0.113.0/28:a carrier]" {
		t.Errorf("protected: %v", all)
	}
	for range p.Protected() {
		break // a reader may stop
	}
	p.SetContacts(noon, nil, failedAt(office, score.Proven))
	if got := why(p, office); got != "" {
		t.Errorf("after proven failures: %q", got)
	}
	p.Protect(success("1002", office), never)
	p.SetContacts(noon.Add(48*time.Hour), nil, never)
	if got := why(p, office); got != "" {
		t.Errorf("long after the last success: %q", got)
	}
}

func TestSuccessAfterProvenFailureProtectsNobody(t *testing.T) {
	p := New(Config{}, nil)
	p.Protect(success("1002", office), failedAt(office, score.Proven))
	if got := why(p, office); got != "" {
		t.Errorf("protected: %q", got)
	}
}

// A success at a place that is known allocates nothing.
func TestKnownSuccessAllocatesNothing(t *testing.T) {
	p, o, quiet := New(Config{}, nil), success("1002", office), Evidence(never)
	p.Protect(o, quiet)
	if n := testing.AllocsPerRun(100, func() { p.Protect(o, quiet) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A network that holds a protected address is narrowed to the verdict's own.
func TestNarrow(t *testing.T) {
	p := New(Config{}, nil)
	p.Protect(success("1002", office), never)
	network := netip.MustParsePrefix("198.51.100.0/24")
	other := netip.MustParseAddr("198.51.100.66")
	for name, c := range map[string]struct {
		per    score.Per
		target netip.Prefix
		want   string
	}{
		"a network with a phone in it": {score.PerNetwork, network, "198.51.100.66/32"},
		"a network without":            {score.PerNetwork, netip.MustParsePrefix("203.0.113.0/24"), "203.0.113.0/24"},
		"an address":                   {score.PerSource, netip.PrefixFrom(other, 32), "198.51.100.66/32"},
		"the phone's own":              {score.PerSource, netip.PrefixFrom(office, 32), "198.51.100.10/32"},
	} {
		v := &score.Verdict{Key: score.Key{Per: c.per, Prefix: c.target}, Cause: score.Record{Source: other}}
		if got := p.Narrow(c.target, v, everybody); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	v := &score.Verdict{Key: score.Key{Per: score.PerNetwork, Prefix: network}, Cause: score.Record{Source: other}}
	if got := p.Narrow(network, v, func(account string) bool { return account != "1002" }); got != network {
		t.Errorf("where only a guesser's own account is used: %s", got)
	}
}

// Who is behind a shared address, and what a phone calls itself there.
func TestPhones(t *testing.T) {
	p := New(Config{}, nil)
	contacts := []Contact{
		{"1001", office, 5070, "Snom 1001", ""},
		{"1002", office, 5071, "Yealink 1002", ""},
		{"1002", office, 5072, "Softphone 1002", ""},
		{"1003", office, 5073, "", ""},
		{"1004", home, 5060, "Snom 1004", ""},
		{"1005", netip.Addr{}, 5060, "nowhere", ""},
	}
	p.SetContacts(noon, contacts, never)
	at := event.SourcePrefix(office)
	for _, c := range []struct {
		account string
		port    uint16
		others  int
		agent   string
	}{
		{"1001", 5070, 3, "Snom 1001"},
		{"1002", 5072, 2, "Softphone 1002"},
		{"1002", 5071, 2, "Yealink 1002"},
		{"1002", 9999, 2, "Yealink 1002"},
		{"1003", 5073, 3, ""},
		{"1004", 5060, 4, ""},
	} {
		if others, agent := p.Phones(c.account, at, c.port); others != c.others || agent != c.agent {
			t.Errorf("%s at %d: %d others, %q; want %d, %q", c.account, c.port, others, agent, c.others, c.agent)
		}
	}
	// A phone with a wrong password has no registration left.
	p.SetContacts(noon, contacts[:1], never)
	if others, agent := p.Phones("1002", at, 5072); others != 1 || agent != "Softphone 1002" {
		t.Errorf("after its registration ran out: %d others, %q", others, agent)
	}
	if agent := p.Agent("1001", at); agent != "Snom 1001" {
		t.Errorf("%q", agent)
	}
	p.SetContacts(noon, []Contact{{"1001", office, 5070, strings.Repeat("x", 200), ""}}, never)
	if agent := p.Agent("1001", at); len(agent) != maxAgent {
		t.Errorf("an agent of %d bytes is shown", len(agent))
	}
	if agent := p.Agent("1009", at); agent != "" {
		t.Errorf("%q", agent)
	}
}

// Nobody can fill it: there is room for so many addresses and agents, and
// those that are known stay.
func TestPlacesAreBounded(t *testing.T) {
	p := New(Config{}, nil)
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxSources + 100 {
		p.Protect(success("1002", at(i)), never)
	}
	if p.proven.Size() != maxSources || p.phones.Size() != maxSources {
		t.Errorf("%d proven, %d phones", p.proven.Size(), p.phones.Size())
	}
	p.Protect(success("1003", at(0)), never)
	if got := why(p, at(0)); got != "registered contact of 1002 and 1 more" {
		t.Errorf("%q", got)
	}
	var contacts []Contact
	for i := range maxAgents + 100 {
		contacts = append(contacts, Contact{fmt.Sprint(i), office, 5060, "Snom", ""})
	}
	p.learnAgents(contacts)
	p.learnAgents([]Contact{{"0", office, 5060, "Yealink", ""}})
	if len(p.agents) != maxAgents || p.agents[agentKey{"0", event.SourcePrefix(office)}] != "Yealink" {
		t.Errorf("%d agents", len(p.agents))
	}
}

// An IPv6 subscriber is its /64.
func TestIPv6(t *testing.T) {
	p := New(Config{}, nil)
	p.Protect(success("1002", netip.MustParseAddr("2001:db8:1:2::3")), never)
	if got := p.Why(netip.MustParsePrefix("2001:db8:1:2::/64")); got != "registered contact of 1002" {
		t.Errorf("%q", got)
	}
	if got := p.Objection(netip.MustParsePrefix("2001:db8:1:2::9/128")); !strings.Contains(got, incident.PrefixText(netip.MustParsePrefix("2001:db8:1:2::/64"))) {
		t.Errorf("%q", got)
	}
}

package firewall

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func openKernel(t testing.TB, l *lab, cfg Config) *Kernel {
	t.Helper()
	cfg.NetNS = l.pbx
	k, err := Open(cfg)
	must(t, err)
	t.Cleanup(func() { k.Close() })
	return k
}

func forHosts(d time.Duration, prefixes ...string) []Ban {
	return (&world{}).bans(time.Now(), d, prefixes...)
}

// nft runs the nft program inside the PBX, as an administrator would.
func (l *lab) nft(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the nft program (apt-get install nftables)")
	}
	var out []byte
	l.inside(t, l.pbx, func() (err error) {
		out, err = exec.Command("nft", args...).CombinedOutput()
		return err
	})
	return string(out)
}

// conn is another program's netlink connection.
func (l *lab) conn(t testing.TB) *nftables.Conn {
	t.Helper()
	c, err := nftables.New(nftables.WithNetNSFd(l.pbx))
	must(t, err)
	return c
}

// A ban cuts what is established: a registered phone's UDP flow, its RTP, and
// TCP connections, although conntrack knows them all. With scope Asterisk, RTP and the
// connections to other services stay.
func TestStandingFlowsAreCut(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	// conntrack accepts what is established, as on many hosts.
	c := l.conn(t)
	host := c.AddTable(&nftables.Table{Name: "host", Family: nftables.TableFamilyINet})
	in := c.AddChain(&nftables.Chain{Name: "in", Table: host, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: host, Chain: in, Exprs: []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}})
	must(t, c.Flush())

	rtp := l.listen(t, ":16384")
	listen := func(addr string) (at net.Listener) {
		l.inside(t, l.pbx, func() (err error) { at, err = net.Listen("tcp", addr); return err })
		t.Cleanup(func() { at.Close() })
		return at
	}
	sip, ssh := listen(":5060"), listen(":22")
	for _, c := range []struct {
		ban, from, to, mate, mateTo string
		scope                       Scope
	}{
		{"192.0.2.2/32", "192.0.2.2", "192.0.2.1", "192.0.2.3", "192.0.2.1", Asterisk},
		{"192.0.2.2/32", "192.0.2.2", "192.0.2.1", "192.0.2.3", "192.0.2.1", All},
		{"2001:db8:1::/64", "2001:db8:1::2", "[2001:db8:1::1]", "2001:db8:2::2", "[2001:db8:2::1]", Asterisk},
		{"2001:db8:1::/64", "2001:db8:1::2", "[2001:db8:1::1]", "2001:db8:2::2", "[2001:db8:2::1]", All},
	} {
		connect := func(at net.Listener, from, to string) (outside, inside net.Conn) {
			_, port, _ := net.SplitHostPort(at.Addr().String())
			outside = l.dial(t, "tcp", from, to+":"+port)
			inside, err := at.Accept()
			must(t, err)
			t.Cleanup(func() { inside.Close() })
			return outside, inside
		}
		thief, thiefIn := connect(sip, c.from, c.to)
		shell, shellIn := connect(ssh, c.from, c.to)
		mate, mateIn := connect(sip, c.mate, c.mateTo)
		voice := l.dial(t, "udp", c.from, c.to+":16384")
		if !passes(t, voice, rtp) || !passes(t, thief, thiefIn) || !passes(t, thiefIn, thief) || !passes(t, shell, shellIn) || !passes(t, mate, mateIn) {
			t.Fatalf("%s: traffic does not flow before the ban", c.from)
		}
		ban := forHosts(time.Hour, c.ban)
		ban[0].Scope = c.scope
		must(t, k.Ban(time.Now(), ban...))
		rest := c.scope != All // stays open
		if passes(t, voice, rtp) != rest {
			t.Errorf("%s, scope %s: RTP arrives: %v", c.from, c.scope, !rest)
		}
		if passes(t, shell, shellIn) != rest || passes(t, shellIn, shell) != rest {
			t.Errorf("%s, scope %s: SSH works: %v", c.from, c.scope, !rest)
		}
		if passes(t, thief, thiefIn) {
			t.Errorf("%s, scope %s: the SIP connection still carries", c.from, c.scope)
		}
		if passes(t, thiefIn, thief) {
			t.Errorf("%s, scope %s: the SIP connection still answers", c.from, c.scope)
		}
		if !passes(t, mate, mateIn) {
			t.Errorf("%s: the SIP connection of %s is cut", c.from, c.mate)
		}
		must(t, k.Release(ban[0].Prefix))
	}
	st, err := k.Stats()
	must(t, err)
	if st.In.Packets == 0 || st.In.Bytes == 0 || st.Out.Packets == 0 {
		t.Errorf("counters: %+v", st)
	}
}

// passes reports whether what is written at one end arrives at the other.
func passes(t testing.TB, from io.Writer, to net.Conn) bool {
	t.Helper()
	_, err := from.Write([]byte("hello"))
	if err != nil && !errors.Is(err, unix.EPERM) {
		return false
	}
	must(t, to.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	n, err := to.Read(make([]byte, 64))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return n > 0
}

// Responses to a banned address do not leave.
func TestResponsesAreDropped(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("2001:db8:c::7/128")}})
	banned := []string{"198.51.100.9", "2001:db8:d::9", "198.51.100.7", "2001:db8:a::7", "2001:db8:a:0:ffff::1", "2001:db8:b::7", "203.0.113.9", "2001:db8:c:1::1"}
	others := []string{"198.51.100.8", "2001:db8:a:1::7", "2001:db8:b::8", "203.0.113.7", "2001:db8:c::7", "203.0.112.255"}
	for _, a := range append(slices.Clone(banned), others...) {
		if !l.answer(t, netip.MustParseAddr(a)) {
			t.Fatalf("no answer to %s before the ban", a)
		}
	}
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128", "203.0.113.0/24", "2001:db8:c::/48")...))
	suspects := forHosts(time.Hour, "198.51.100.9/32", "2001:db8:d::/64")
	for i := range suspects {
		suspects[i].Scope = SIP
	}
	must(t, k.Ban(time.Now(), suspects...))
	if _, err := l.other.WriteToUDPAddrPort([]byte("RTP"), netip.MustParseAddrPort("198.51.100.9:5060")); err != nil {
		t.Errorf("other packets to an address banned with scope SIP are dropped: %v", err)
	}
	for _, a := range banned {
		if l.answer(t, netip.MustParseAddr(a)) {
			t.Errorf("%s is answered", a)
		}
	}
	for _, a := range others {
		if !l.answer(t, netip.MustParseAddr(a)) {
			t.Errorf("%s is not answered", a)
		}
	}
	st, err := k.Stats()
	must(t, err)
	if st.Out.Packets != uint64(len(banned)) || st.In.Packets != 0 {
		t.Errorf("dropped %d out and %d in, want %d and 0", st.Out.Packets, st.In.Packets, len(banned))
	}
}

func TestForeverHasNoTimeout(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	must(t, k.Ban(time.Now(), append(forHosts(0, "198.51.100.7/32", "203.0.113.0/24"), forHosts(time.Hour, "198.51.100.8/32")...)...))
	for _, set := range []setID{hosts4, prefixes4} {
		elements, err := k.reader.elements(k.name, sets[set].name)
		must(t, err)
		for _, e := range elements {
			wantForever := e.key != netip.MustParseAddr("198.51.100.8")
			if (e.until == forever) != wantForever {
				t.Errorf("%s %s ends %v", sets[set].name, e.key, e.until.time())
			}
		}
	}
}

// nft can print the table, and thus read what we write.
func TestListing(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	must(t, k.Ban(time.Now(), forHosts(0, "198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128", "203.0.113.0/24", "2001:db8:c::/48", "224.0.0.0/3")...))
	got := l.nft(t, "list", "table", "inet", DefaultName)
	plain := strings.ReplaceAll(got, " == @", " @") // nft 1.0 and 1.1 differ
	want := []string{
		"type filter hook prerouting priority raw; policy accept;", "type filter hook output priority raw; policy accept;",
		"elements = { 127.0.0.0/8 }", "elements = { ::1 }", "elements = { 198.51.100.7 }", "elements = { 2001:db8:a:: }",
		"elements = { 2001:db8:b::7 }", "elements = { 203.0.113.0/24, 224.0.0.0/3 }", "elements = { 2001:db8:c::/48 }",
	}
	plain = strings.ReplaceAll(plain, " counter packets 0 bytes 0", "") // of each element
	for i := range chains {
		for _, r := range rulesFor(ports{DefaultSIPPorts, DefaultTCPPorts}) {
			want = append(want, chains[i].words(r))
		}
	}
	for _, line := range want {
		if strings.Count(plain, "\t"+line+"\n") != 1 {
			t.Errorf("nft does not list %q once", line)
		}
	}
	t.Log(got)
	// nft can also load what it prints, to the same effect.
	l.nft(t, "flush", "ruleset")
	var out []byte
	l.inside(t, l.pbx, func() (err error) {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(got)
		out, err = cmd.CombinedOutput()
		return err
	})
	if again := openKernel(t, l, Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}); again.Opened().Origin != Adopted {
		t.Errorf("a saved and loaded table is %v: %q (%s)", again.Opened().Origin, again.Opened().Findings, out)
	}
}

func TestTakeOver(t *testing.T) {
	l := newLab(t)
	first := openKernel(t, l, Config{})
	if o := first.Opened(); o.Origin != Fresh || o.Bans != 0 {
		t.Errorf("first: %+v", o)
	}
	bans := append(forHosts(time.Hour, "198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128", "10.0.0.0/8", "2001:db8:c::/48", "192.0.2.2/32"),
		forHosts(0, "198.51.100.8/32", "10.1.0.0/16", "2001:db8::/63", "2001:db8:0:1:8000::/65")...)
	flood := l.flood(t, "192.0.2.2")
	must(t, first.Ban(time.Now(), bans...))
	must(t, first.Close())
	flood.start()
	dropped := []string{"198.51.100.7", "198.51.100.8", "2001:db8:a::1", "2001:db8:b::7", "10.0.0.1", "10.1.0.1", "10.255.0.1", "2001:db8:c:1::1", "2001:db8::1", "2001:db8:0:1::1"}
	expect := func(t *testing.T) {
		t.Helper()
		for _, a := range dropped {
			if l.arrives(t, netip.MustParseAddr(a)) {
				t.Errorf("%s arrives", a)
			}
		}
		if !l.arrives(t, netip.MustParseAddr("198.51.100.9")) || !l.arrives(t, netip.MustParseAddr("2001:db8:0:2::1")) {
			t.Error("an address that is not banned is dropped")
		}
	}

	takes := func(name, wantFinding string, damage func(c *nftables.Conn, tab *nftables.Table), want Origin) {
		t.Run(name, func(t *testing.T) {
			if damage != nil {
				c := l.conn(t)
				damage(c, nfTable(DefaultName))
				must(t, c.Flush())
			}
			k := openKernel(t, l, Config{})
			defer k.Close()
			o := k.Opened()
			if o.Origin != want || o.Bans == 0 || !slices.ContainsFunc(append(o.Findings, ""), func(f string) bool { return strings.Contains(f, wantFinding) }) {
				t.Errorf("%+v", o)
			}
			expect(t)
			for _, b := range k.Bans(time.Now()) {
				if !b.Until.IsZero() && (time.Until(b.Until) > time.Hour || time.Until(b.Until) < 50*time.Minute) {
					t.Errorf("%s until %v", b.Prefix, b.Until)
				}
			}
			must(t, k.Reconcile(time.Now(), bans))
			if len(k.Bans(time.Now())) != len(bans) {
				t.Errorf("after Reconcile: %v", k.Bans(time.Now()))
			}
			expect(t)
			if found, err := k.Verify(time.Now()); err != nil || len(found) > 0 {
				t.Errorf("verify: %q %v", found, err)
			}
		})
	}
	takes("as it was left", "", nil, Adopted)
	takes("as it was left, again", "", nil, Adopted)
	takes("a foreign chain", "chain foreign: not ours", func(c *nftables.Conn, tab *nftables.Table) {
		c.AddChain(&nftables.Chain{Name: "foreign", Table: tab})
	}, Repaired)
	takes("a foreign set", "set foreign: not ours", func(c *nftables.Conn, tab *nftables.Table) {
		must(t, c.AddSet(&nftables.Set{Table: tab, Name: "foreign", KeyType: nftables.TypeIPAddr, KeyByteOrder: binaryutil.BigEndian}, nil))
	}, Repaired)
	flood.none(t)
	// From here on the damage itself opens a gap.
	takes("a chain without rules", "chain incoming: has 0 rules", func(c *nftables.Conn, tab *nftables.Table) {
		c.FlushChain(&nftables.Chain{Name: "incoming", Table: tab})
	}, Repaired)
	takes("another chain in setKey of ours", "chain incoming: has another hook", func(c *nftables.Conn, tab *nftables.Table) {
		in := &nftables.Chain{Name: "incoming", Table: tab}
		c.FlushChain(in)
		c.DelChain(in)
		c.AddChain(&nftables.Chain{Name: "incoming", Table: tab, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
	}, Repaired)
	takes("a set of another size", "set hosts4: has flags", func(c *nftables.Conn, tab *nftables.Table) {
		for _, name := range []string{"incoming", "outgoing"} {
			c.FlushChain(&nftables.Chain{Name: name, Table: tab})
		}
		old := nfSet(tab, hosts4, true)
		c.DelSet(old)
		old.Size = 1000
		must(t, c.AddSet(old, []nftables.SetElement{{Key: []byte{198, 51, 100, 7}, Timeout: 59 * time.Minute}, {Key: []byte{198, 51, 100, 8}}}))
	}, Repaired)
	takes("asleep", "dormant", func(c *nftables.Conn, tab *nftables.Table) {
		c.AddTable(&nftables.Table{Name: tab.Name, Family: tab.Family, Flags: nftables.TableFlagDormant})
	}, Repaired)
}

// An adopted table tells networks with scope SIP from those that are dropped
// entirely, and so does one that a crash left without one of the sets.
func TestTakeOverOfScopes(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	sip := forHosts(time.Hour, "198.51.100.0/24", "2001:db8:a::/48", "2001:db8:b:ff00::/56")
	for i := range sip {
		sip[i].Scope = SIP
	}
	asterisk := forHosts(time.Hour, "198.51.101.7/32", "2001:db8:e::/64", "198.51.102.0/24", "2001:db8:f::7/128")
	for i := range asterisk {
		asterisk[i].Scope = Asterisk
	}
	must(t, k.Ban(time.Now(), slices.Concat(sip, asterisk, forHosts(time.Hour, "203.0.113.0/24"))...))
	must(t, k.Close())
	reopen := func(want Origin) {
		t.Helper()
		k := openKernel(t, l, Config{})
		scopes := map[string]Scope{}
		for _, b := range k.Bans(time.Now()) {
			scopes[b.Prefix.String()] = b.Scope
		}
		wanted := map[string]Scope{
			"198.51.100.0/24": SIP, "2001:db8:a::/48": SIP, "2001:db8:b:ff00::/56": SIP, "203.0.113.0/24": All,
			"198.51.101.7/32": Asterisk, "2001:db8:e::/64": Asterisk, "198.51.102.0/24": Asterisk, "2001:db8:f::7/128": Asterisk,
		}
		if !maps.Equal(scopes, wanted) || k.Opened().Origin != want {
			t.Errorf("%v: %v, %v", k.Opened(), scopes, wanted)
		}
		must(t, k.Close())
	}
	reopen(Adopted)
	c := l.conn(t)
	for _, ch := range chains {
		c.FlushChain(nfChain(nfTable(DefaultName), &ch))
	}
	must(t, c.Flush())
	reopen(Repaired)
	reopen(Adopted)
}

// A table of the version before scope Asterisk, which lacks its sets and rules, is
// taken over without a gap.
func TestTakeOverFromBeforeScopeAsterisk(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	flood := l.flood(t, "192.0.2.2")
	sip := forHosts(time.Hour, "198.51.100.0/24")
	sip[0].Scope = SIP
	must(t, k.Ban(time.Now(), append(sip, forHosts(time.Hour, "192.0.2.2/32")...)...))
	must(t, k.Close())
	c := l.conn(t)
	tab := nfTable(DefaultName)
	for i := range chains {
		ch := nfChain(tab, &chains[i])
		c.FlushChain(ch)
		for _, r := range rulesFor(ports{udp: DefaultSIPPorts}) {
			if sets[r.set].scope != Asterisk {
				c.AddRule(&nftables.Rule{Table: tab, Chain: ch, Exprs: chains[i].exprs(nfSet(tab, r.set, false), r)})
			}
		}
	}
	for _, id := range []setID{asterisk4, asterisk64, asterisknets4, asterisknets6} {
		c.DelSet(nfSet(tab, id, true))
	}
	must(t, c.Flush())
	flood.start()
	again := openKernel(t, l, Config{})
	flood.none(t)
	if got := len(again.Bans(time.Now())); got != 2 {
		t.Errorf("%d bans", got)
	}
	if l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
		t.Error("a ban of the old table is not in force")
	}
}

// If a rebuild is interrupted after the old table was deleted, the bridge has what
// the table lacks.
func TestTakeOverAfterACrash(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32")...))
	bridge := contentsOf(&mirror{
		hosts4: [scopeCount]map[[4]byte]expiry{All: {{198, 51, 100, 7}: forever, {198, 51, 100, 8}: forever}},
		nets:   netsByScope{All: {netip.MustParsePrefix("203.0.113.0/24"): forever}},
	}, nil, 0)
	must(t, k.load(DefaultName+bridgeSuffix, bridge, nil))
	must(t, k.Close())
	k = openKernel(t, l, Config{})
	if n := len(k.Bans(time.Now())); k.Opened().Origin != Adopted || n != 3 {
		t.Errorf("%+v with %d bans", k.Opened(), n)
	}
	tables, err := l.conn(t).ListTables()
	must(t, err)
	if len(tables) != 1 {
		t.Errorf("%d tables left", len(tables))
	}
	for _, a := range []string{"198.51.100.7", "198.51.100.8", "203.0.113.1"} {
		if l.arrives(t, netip.MustParseAddr(a)) {
			t.Errorf("%s arrives", a)
		}
	}
}

// While bans change or the table is rebuilt, a flood from a source that is banned
// before and after finds no gap.
func TestNoGap(t *testing.T) {
	for _, source := range []struct{ name, from, ban string }{
		{"address", "192.0.2.2", "192.0.2.2/32"},
		{"prefix", "192.0.2.2", "192.0.2.0/24"},
		{"slash64", "2001:db8:1::2", "2001:db8:1::/64"},
		{"prefix6", "2001:db8:1::2", "2001:db8:1::/48"},
	} {
		t.Run(source.name, func(t *testing.T) {
			l := newLab(t)
			k := openKernel(t, l, Config{})
			now := time.Now()
			crowd := append(manyBans(2_000, now.Add(time.Hour)), manyPrefixes(500, now.Add(time.Hour))...)
			flood := l.flood(t, source.from)
			must(t, k.Ban(now, append(crowd, forHosts(time.Hour, source.ban)...)...))
			flood.start()
			for i := range 30 {
				now := time.Now()
				others := crowd[:len(crowd)-i*50]
				ours := forHosts(time.Duration(i+1)*time.Hour, source.ban)
				if i%3 == 0 {
					(&world{core: &k.core}).forget(hosts4, slash64)
				}
				must(t, k.Reconcile(now, append(slices.Clone(others), ours...)))
				must(t, k.Ban(now, forHosts(time.Duration(i+2)*time.Hour, source.ban)...))
				// Prefixes around it, within it and beside it come and go.
				around := []string{"192.0.0.0/16", "192.0.2.0/30", "192.0.3.0/24", "192.0.1.0/24", "2001:db8::/32", "2001:db8:1::/80", "2001:db8:2::/48", "2001:db8:0::/48"}
				must(t, k.Ban(now, forHosts(time.Duration(i%3)*time.Hour, around...)...))
				for _, p := range around {
					must(t, k.Release(netip.MustParsePrefix(p)))
				}
				if i%10 == 0 {
					rebuild(t, k)
					again := openKernel(t, l, Config{})
					must(t, again.Close())
				}
			}
			flood.none(t)
		})
	}
}

// While the SIP ports change, a flood to a port that is closed before and after
// finds no gap, whatever the ban's scope.
func TestNoGapBetweenPorts(t *testing.T) {
	for _, source := range []struct {
		name, from, ban string
		scope           Scope
	}{
		{"all", "192.0.2.2", "192.0.2.2/32", All},
		{"prefix", "192.0.2.2", "192.0.2.0/24", All},
		{"sip", "192.0.2.2", "192.0.2.2/32", SIP},
		{"sip6", "2001:db8:1::2", "2001:db8:1::/64", SIP},
		{"asterisk", "192.0.2.2", "192.0.2.2/32", Asterisk},
	} {
		t.Run(source.name, func(t *testing.T) {
			l := newLab(t)
			k := openKernel(t, l, Config{SIPPorts: []uint16{5060, 5070}})
			flood := l.flood(t, source.from)
			must(t, k.Ban(time.Now(), Ban{Prefix: netip.MustParsePrefix(source.ban), Scope: source.scope}))
			flood.start()
			for i := range uint16(100) {
				must(t, k.SetPorts([]uint16{5070, 6000 + i}, []uint16{5060}))
				must(t, k.SetPorts([]uint16{4000 + i, 5070, 6000}, nil))
			}
			flood.none(t)
		})
	}
}

// manyPrefixes are n different /24s that do not touch, out of 160.0.0.0/3.
func manyPrefixes(n int, until time.Time) []Ban {
	out := make([]Ban, n)
	for i := range out {
		out[i] = Ban{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{160 + byte(i>>15), byte(i >> 7), byte(i << 1), 0}), 24), Until: until}
	}
	return out
}

func TestLostTable(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32", "203.0.113.0/24")...))
	c := l.conn(t)
	c.FlushRuleset()
	must(t, c.Flush())
	if !l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
		t.Fatal("dropped without a table")
	}
	if err := k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.8/32")...); !errors.Is(err, ErrLost) {
		t.Errorf("ban: %v", err)
	}
	if _, err := k.Stats(); !errors.Is(err, ErrLost) {
		t.Errorf("stats: %v", err)
	}
	if found, err := k.Verify(time.Now()); err != nil || !slices.Equal(found, []string{"table inet tollwarden: missing"}) {
		t.Errorf("verify: %q %v", found, err)
	}
	rebuild(t, k)
	for _, a := range []string{"198.51.100.7", "203.0.113.1"} {
		if l.arrives(t, netip.MustParseAddr(a)) {
			t.Errorf("%s arrives after Reconcile", a)
		}
	}
	// An administrator flushes a set.
	c.FlushSet(nfSet(nfTable(DefaultName), hosts4, true))
	must(t, c.Flush())
	found, err := k.Verify(time.Now())
	if err != nil || len(found) == 0 || !strings.Contains(found[0], "set hosts4: lacks 198.51.100.7") {
		t.Errorf("verify: %q %v", found, err)
	}
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32")...)) // is no error
	if l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
		t.Error("arrives after the ban")
	}
}

func TestRemove(t *testing.T) {
	l := newLab(t)
	c := l.conn(t)
	c.AddTable(&nftables.Table{Name: "host", Family: nftables.TableFamilyINet})
	c.AddTable(&nftables.Table{Name: DefaultName, Family: nftables.TableFamilyIPv4})
	must(t, c.Flush())
	k := openKernel(t, l, Config{})
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32")...))
	must(t, Check(Config{NetNS: l.pbx}))
	must(t, k.Remove())
	if !l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
		t.Error("still dropped")
	}
	must(t, Remove(Config{NetNS: l.pbx})) // absent is fine
	tables, err := c.ListTables()
	must(t, err)
	if len(tables) != 2 {
		t.Errorf("%d tables, want the 2 of the others", len(tables))
	}
}

// A set that is too large for Open to read stays in force until Reconcile replaces
// its contents.
func TestUnread(t *testing.T) {
	l, k := unreadLab(t)
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32")...))
	must(t, k.Reconcile(time.Now(), forHosts(time.Hour, "198.51.100.7/32", "198.51.100.9/32")))
	for a, want := range map[string]bool{"198.51.100.7": false, "198.51.100.8": true, "198.51.100.9": false} {
		if l.arrives(t, netip.MustParseAddr(a)) != want {
			t.Errorf("%s arrives: %v", a, !want)
		}
	}
	if found, err := k.Verify(time.Now()); err != nil || len(found) > 0 {
		t.Errorf("verify: %q %v", found, err)
	}
}

// unreadLab has a table whose hosts4 holds two bans that were not read.
func unreadLab(t *testing.T) (*lab, *Kernel) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	must(t, k.Ban(time.Now(), forHosts(0, "198.51.100.7/32", "198.51.100.8/32")...))
	k.mirror = newMirror()
	k.unread[hosts4] = true
	return l, k
}

// Without the privilege, errors say what is missing and how to get it.
func TestNoPrivilege(t *testing.T) {
	needRoot(t)
	errs := make(chan [2]error)
	go func() {
		lockedWithout(unix.CAP_NET_ADMIN)
		_, err := Open(Config{Name: "unprivileged"})
		errs <- [2]error{err, Check(Config{Name: "unprivileged"})}
	}()
	for _, err := range <-errs {
		if !errors.Is(err, ErrPrivilege) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%v", err)
		}
	}
}

func TestSplitTransactions(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	k.limit = 100
	now := time.Now()
	must(t, k.Ban(now, manyBans(1_050, now.Add(time.Hour))...))
	rebuild(t, k)
	st, err := k.Stats()
	must(t, err)
	if n := st.Sets[hosts4].Elements; n != 1_050 && n != -1 {
		t.Errorf("%d elements", n)
	}
	must(t, k.Reconcile(now, forHosts(time.Hour, "198.51.100.7/32")))
	if got := k.Bans(now); len(got) != 1 {
		t.Errorf("%d bans", len(got))
	}
}

// Replacing a table with interval sets, even in one batch, lets packets through
// now and then; the bridge must not.
func TestRebuildHasNoGap(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	now := time.Now()
	flood := l.flood(t, "192.0.2.2")
	must(t, k.Ban(now, append(manyPrefixes(300, now.Add(time.Hour)), forHosts(time.Hour, "192.0.2.0/24")...)...))
	flood.start()
	for range 100 {
		rebuild(t, k)
	}
	flood.none(t)
}

// The maximum number of prefixes, cut into as many intervals as possible and
// refreshed in one transaction, fits the declared size.
func TestFullOfPrefixes(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	now := time.Now()
	bans := append(manyPrefixes(MaxPrefixes-1, now.Add(2*time.Hour)), forHosts(time.Hour, "128.0.0.0/1")...)
	must(t, k.Ban(now, bans...))
	for i := range bans {
		bans[i].Until = bans[i].Until.Add(time.Hour)
	}
	began := time.Now()
	must(t, k.Ban(now, bans...))
	t.Logf("%d intervals refreshed in %v", len(k.held[prefixes4]), time.Since(began))
	if found, err := k.Verify(now); err != nil || len(found) > 0 {
		t.Errorf("verify: %q %v", found, err)
	}
	if l.arrives(t, netip.MustParseAddr("160.0.1.1")) || !l.arrives(t, netip.MustParseAddr("100.0.0.1")) {
		t.Error("the wrong ones are dropped")
	}
}

func TestManyAtATime(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 100 {
				now := time.Now()
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), byte(i), 1}), 24+8*(i%2)).Masked()
				err := errors.Join(k.Ban(now, Ban{Prefix: p, Until: now.Add(time.Hour)}), k.Release(netip.PrefixFrom(p.Addr(), 25)))
				if _, statsErr := k.Stats(); statsErr != nil || err != nil {
					t.Errorf("%v %v", err, statsErr)
				}
				if found, err := k.Verify(now); err != nil || len(found) > 0 {
					t.Errorf("verify: %q %v", found, err)
				}
			}
		})
	}
	all.Wait()
	if got := len(k.Bans(time.Now())); got != 800 {
		t.Errorf("%d bans, want 800", got)
	}
}

// The netlink library panics with high file descriptors; Open returns an error.
func TestHighDescriptors(t *testing.T) {
	l := newLab(t)
	for range unix.FD_SETSIZE {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Skipf("needs a limit of more than %d open files: %v", unix.FD_SETSIZE, err)
		}
		defer unix.Close(fd)
	}
	if _, err := Open(Config{NetNS: l.pbx}); err == nil || !strings.Contains(err.Error(), "file descriptor") {
		t.Errorf("open: %v", err)
	}
}

package test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// briefly makes the bans of what can be forged short, so that a test sees what
// comes after one.
const briefly = "[bans]\nspoofable = \"2s\"\n"

// bans are those in force with their scopes.
func (w *warden) bans() string {
	w.t.Helper()
	list, err := w.client().Bans(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	words := make([]string, len(list))
	for i, b := range list {
		words[i] = fmt.Sprintf("%s %s #%d", b.Prefix, b.Scope, b.Offence)
	}
	return strings.Join(words, ", ")
}

// A guesser over UDP is stopped at once. With PJSIP it has proved where it is, and the
// ban is a long one; with chan_sip nobody can, and it is kept out all the same.
func TestGuesserProvesItself(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		ban := guesserAddress + "/32 asterisk #1"
		if l.Version == lab.Asterisk16 {
			ban = guesserAddress + "/32 sip #0"
		}
		w := guardWith(t, l, briefly+shortRules(3))
		attacker := addHost(t, l, "attacker", guesserAddress)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil { // a guesser gives up when nothing answers: again, then
				_, _ = lab.Guesser{Host: attacker, Account: "1002", Rate: 20, Most: 1000, Ask: true}.Run(ctx)
			}
		}()
		first := w.wait("the first ban", 5*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
		full := w.wait("its ban", 30*time.Second, func() bool { return w.bans() == ban })
		cancel()
		<-done
		log, err := l.SecurityLog()
		if err != nil {
			t.Fatal(err)
		}
		answered := log.From(guesserPrefix).Guesses()
		if answered > 20 {
			t.Errorf("Asterisk answered %d guesses", answered)
		}
		s, err := w.client().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Counters["challenges_seen"]; (n == 0) != (l.Version == lab.Asterisk16) { // chan_sip's prove nothing
			t.Errorf("%d challenges were seen", n)
		}
		for _, c := range s.Checks {
			if c.Name == "wire" && (!c.OK || c.Detail != "SIP over UDP is seen") {
				t.Errorf("status says %+v", c)
			}
		}
		t.Logf("banned after %s, with proof after %s; %d guesses answered, %d challenges seen", first, full, answered, s.Counters["challenges_seen"])
	})
}

// A carrier's and a phone's address are forged at 1,000 packets a second while
// a call through the carrier stands: neither is banned, the call goes on, the
// phone stays in service, and the incidents say that it can be forged.
func TestForgedAddresses(t *testing.T) {
	t.Parallel()
	const carrierAddress, phoneAddress = "203.0.113.80", "198.51.100.10"
	l := lab.New(t, lab.Options{Append: map[string]string{"pjsip.conf": "[carrier]\ntype = endpoint\ncontext = internal\ndisallow = all\nallow = ulaw\n" +
		"[trunk]\ntype = registration\nserver_uri = sip:" + carrierAddress + "\nclient_uri = sip:us@" + carrierAddress + "\n"}})
	phone := addPhone(t, addHost(t, l, "phone", phoneAddress), "1001")
	register(t, phone)
	w := guard(t, l, 3)
	carrier, err := addHost(t, l, "carrier", carrierAddress).Phone("carrier", "none", lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = carrier.Close() })
	call, err := carrier.Call(soon(t), "00442079460001")
	if err != nil {
		t.Fatalf("a call through the carrier: %v", err)
	}
	w.wait("both to be protected", 10*time.Second, func() bool {
		out, err := w.tollwarden("allow", "list", "--socket", w.socket())
		return err == nil && strings.Contains(out, "outbound registration trunk") && strings.Contains(out, "registered contact of 1001")
	})

	f := newForger(t, addHost(t, l, "forger", "192.0.2.77"))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	sent := f.flood(ctx, 1000, "1002", netip.MustParseAddrPort(carrierAddress+":5060"), phone.Source())
	w.wait("the incidents", 10*time.Second, func() bool { return len(w.incidents()) >= 2 })
	if got := w.bans(); got != "" {
		t.Errorf("banned: %s", got)
	}
	if w.dropped(carrierAddress+"/32") || w.dropped(phoneAddress+"/32") {
		t.Error("the kernel drops a forged address")
	}
	if up, err := call.Alive(soon(t)); err != nil || !up {
		t.Errorf("the call through the carrier: alive %v, %v", up, err)
	}
	register(t, phone)
	incidents := w.incidents()
	if len(incidents) != 2 {
		t.Errorf("%d incidents, want one for each address", len(incidents))
	}
	for _, i := range incidents {
		want := "can be spoofed"
		if i.Source.String() == carrierAddress {
			want = "never banned: Asterisk's configuration names it (outbound registration trunk)"
		}
		if s := i.Steps[0]; s.State != "skipped" || !strings.Contains(s.Detail, want) {
			t.Errorf("incident %d of %s: %+v", i.ID, i.Source, s)
		}
	}
	t.Logf("%d forged packets, no ban", sent)
}

// Six phones behind one address, one of them with a stale password: five stay
// in service, its own flow is dropped, and the incident names it.
func TestSixPhonesBehindOneAddress(t *testing.T) {
	t.Parallel()
	const office = "198.51.100.20"
	l := lab.New(t, lab.Options{Append: map[string]string{
		"pjsip.conf": "[1006](phone)\nauth = 1006\naors = 1006\n[1006](login)\nusername = 1006\npassword = office-1006-Vn5\n[1006](place)\n",
	}})
	h := addHost(t, l, "office", office)
	var phones []*lab.Phone
	for _, account := range []string{"1001", "1002", "1003", "1004", "1005"} {
		phones = append(phones, addPhone(t, h, account))
	}
	sixth, err := h.Phone("1006", "office-1006-Vn5", lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sixth.Close() })
	for _, p := range append(phones, sixth) {
		register(t, p)
	}
	w := guardWith(t, l, briefly+shortRules(3))
	sixth.SetPassword("last year's")
	done := make(chan int)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	go func() {
		tries := 0
		for ; ctx.Err() == nil; tries++ {
			try, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			_ = sixth.Register(try)
			cancel()
		}
		done <- tries
	}()
	rounds := 0
	for ; ctx.Err() == nil; rounds++ {
		for _, p := range phones {
			register(t, p)
		}
		time.Sleep(50 * time.Millisecond)
	}
	tries := <-done
	if got := w.bans(); got != "" || w.dropped(office+"/32") {
		t.Errorf("the office is banned: %q", got)
	}
	named := 0
	for _, i := range w.incidents() {
		if strings.Contains(i.Steps[0].Detail, `the phone of extension "1006" (User-Agent "Lab phone") has a wrong password`) {
			named++
			if i.Steps[0].Target != sixth.Source().String() || i.Steps[0].State != "done" {
				t.Errorf("step %+v, want the flow %s", i.Steps[0], sixth.Source())
			}
		}
	}
	if named != 1 {
		t.Errorf("%d incidents name the sixth phone, want one: %+v", named, w.incidents())
	}
	s, err := w.client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Counters["flows_dropped"] < 2 {
		t.Errorf("the flow was dropped %d times", s.Counters["flows_dropped"])
	}
	t.Logf("the sixth tried %d times, was dropped %d times; the five registered %d times each, without a failure", tries, s.Counters["flows_dropped"], rounds)

	// With a time that is longer, the flow stays dropped while the daemon is
	// killed and started again, and its phone raises not one event more.
	w.stop(syscall.SIGTERM)
	w.write("", lab.AMIUser, lab.AMISecret, shortRules(3))
	w.start()
	droppedFor := func(timeout string) bool {
		out, err := l.PBX.Command(t.Context(), "nft", "list", "table", "inet", "tollwarden_watch").Output()
		return err == nil && strings.Contains(string(out), fmt.Sprintf("%s . %d %s", office, sixth.Source().Port(), timeout))
	}
	dropped := func() bool { return droppedFor("") }
	try := func() {
		try, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_ = sixth.Register(try)
	}
	w.wait("its flow to be dropped for long", 10*time.Second, func() bool { try(); return droppedFor("timeout 10m") })
	w.stop(syscall.SIGKILL)
	if !dropped() {
		t.Error("its flow is let through without a daemon")
	}
	w.start()
	if !dropped() {
		t.Error("its flow is let through after a restart")
	}
	for range 4 {
		try()
	}
	for _, p := range phones {
		register(t, p)
	}
	if s, err := w.client().Status(t.Context()); err != nil || s.Counters["flows_dropped"] != 0 || w.bans() != "" {
		t.Errorf("after the restart its flow was dropped again %d times, bans %q, %v", s.Counters["flows_dropped"], w.bans(), err)
	}

	// The new daemon lists the flow, and a person who corrects the password lets the
	// phone through.
	flow := sixth.Source().String()
	out, err := w.tollwarden("bans", "--socket", w.socket())
	if err != nil || !strings.Contains(out, flow) || !strings.Contains(out, "one phone's flow") || !strings.Contains(out, `the phone of extension "1006"`) {
		t.Errorf("bans: %v, %s", err, out)
	}
	if s, err := w.client().Status(t.Context()); err != nil || s.Firewall.FlowsBlocked != 1 {
		t.Errorf("status counts %d flows, %v", s.Firewall.FlowsBlocked, err)
	}
	if out, err := w.tollwarden("unban", flow, "--socket", w.socket()); err != nil || !strings.Contains(out, flow) || dropped() {
		t.Errorf("unban: %v, %s; dropped %t", err, out, dropped())
	}
	sixth.SetPassword("office-1006-Vn5")
	register(t, sixth)
}

// Injection of both kinds: a second RemoteAddress, and a forged event that
// carries the real one. Neither is believed, and who did it is stopped.
func TestInjection(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]string{
		"another's address": "x%0d%0aRemoteAddress%3a%20IPV4/UDP/8.8.8.8/5",
		"a forged success":  "%0d%0a%0d%0aEvent%3a%20SuccessfulAuth%0d%0a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{})
			w := guardWith(t, l, "") // the built-in set
			attacker := addHost(t, l, "attacker", guesserAddress)
			conn, err := attacker.ListenUDP(netip.AddrPortFrom(attacker.Source(), 0))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			from := netip.MustParseAddrPort(conn.LocalAddr().String())
			for i := range 5 {
				if _, err := conn.WriteToUDPAddrPort([]byte(register1(from, user, fmt.Sprintf("inject-%d", i), "")), netip.MustParseAddrPort(lab.PBXAddress+":5060")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			w.wait("the forger in the kernel's set", 5*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
			if got := w.bans(); got != guesserAddress+"/32 sip #0" {
				t.Errorf("bans: %s; want the forger's alone", got)
			}
			s, err := w.client().Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s.Counters["tampered_events"] == 0 {
				t.Error("no tampering was counted")
			}
			for _, i := range w.incidents() {
				out, err := w.tollwarden("incident", fmt.Sprint(i.ID), "--socket", w.socket())
				if err != nil || strings.ContainsAny(strings.ReplaceAll(out, "\n", ""), "\r\x1b\x00") {
					t.Errorf("incident %d shows control characters: %q, %v", i.ID, out, err)
				}
			}
			if strings.Contains(w.log.String(), "\r") {
				t.Error("the daemon's log holds a carriage return of a stranger's")
			}
		})
	}
}

// One account is guessed at from 300 sources, two guesses each: a person is
// told, once, and nobody tries to ban the internet; the account's own phone
// stays in service.
func TestOneAccountFromEverywhere(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{})
	owner := addPhone(t, addHost(t, l, "owner", "198.51.100.10"), "1002")
	register(t, owner)
	w := guardWith(t, l, "") // the built-in set
	f := newForger(t, addHost(t, l, "botnet", "192.0.2.77"))
	for range 2 {
		for i := range 300 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 5060)
			if i >= 150 {
				from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + i - 150)}), 5060)
			}
			f.send(from, f.guess(from, "1002"))
			if i%10 == 9 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		register(t, owner)
	}
	told := 0
	w.wait("a word about the account", 10*time.Second, func() bool {
		told = 0
		for _, i := range w.incidents() {
			if crosses(i, "extension under attack") && i.Account == "1002" {
				told++
			}
		}
		return told > 0
	})
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
	list, err := w.client().Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		if near := b.Prefix.Overlaps(netip.MustParsePrefix("198.51.0.0/16")); b.Scope != "sip" || near && !b.Prefix.IsSingleIP() {
			t.Errorf("banned %s, scope %s: more than one source's SIP, where somebody lives", b.Prefix, b.Scope)
		}
	}
	if len(list) > 300/5 {
		t.Errorf("%d sources banned of 300", len(list))
	}
	if w.dropped("198.51.100.10/32") {
		t.Error("the owner is dropped")
	}
	t.Logf("600 guesses from 300 sources: one incident, %d short bans", len(list))
}

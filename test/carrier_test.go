package test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// pinger sends OPTIONS from a host's port 5060, as monitors and other PBXs do.
type pinger struct {
	t    *testing.T
	conn *net.UDPConn
	at   netip.AddrPort
	sent int
}

func newPinger(t *testing.T, h *lab.Host) *pinger {
	t.Helper()
	at := netip.AddrPortFrom(h.Source(), 5060)
	conn, err := h.ListenUDP(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &pinger{t: t, conn: conn, at: at}
}

// ping names one account of the sender's.
func (p *pinger) ping(account string) {
	p.t.Helper()
	p.sent++
	id := fmt.Sprintf("ping-%s-%d", p.at.Addr(), p.sent)
	text := fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%s\r\n"+
		"To: <sip:%s>\r\nCall-ID: %s\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n", lab.PBXAddress, p.at, id, account, p.at.Addr(), id, lab.PBXAddress, id, p.sent)
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), netip.MustParseAddrPort(lab.PBXAddress+":5060")); err != nil {
		p.t.Fatal(err)
	}
}

// gets says whether a request with this method arrives within a time.
func (p *pinger) gets(method string, within time.Duration) bool {
	_ = p.conn.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 8192)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return false
		}
		if strings.HasPrefix(string(buf[:n]), method+" ") {
			return true
		}
	}
}

// A carrier with a static contact and no identify section pings the PBX: by the default
// rules it is not banned, and calls through it leave. Whoever sends the same pings from
// elsewhere is a scanner if they name many accounts, and none if they always name one.
func TestCarrierThatPings(t *testing.T) {
	t.Parallel()
	const carrierAddress, monitorAddress = "203.0.113.80", "203.0.113.90"
	l := lab.New(t, lab.Options{Append: map[string]string{
		"extensions.conf": "[internal](+)\nexten => 7700,1,Dial(PJSIP/00442079460001@carrier,5)\n",
		"pjsip.conf":      "[carrier]\ntype = endpoint\ncontext = internal\ndisallow = all\nallow = ulaw\naors = carrier\n[carrier]\ntype = aor\ncontact = sip:" + carrierAddress + ":5060\n",
	}})
	w := guardWith(t, l, "") // the built-in set
	w.wait("the carrier to be known", 10*time.Second, func() bool {
		out, err := w.tollwarden("allow", "list", "--socket", w.socket())
		return err == nil && strings.Contains(out, "contact of carrier")
	})
	carrier := newPinger(t, addHost(t, l, "carrier", carrierAddress))
	monitor := newPinger(t, addHost(t, l, "monitor", monitorAddress))
	scanner := newPinger(t, addHost(t, l, "scanner", guesserAddress))
	for i := range 12 {
		carrier.ping(fmt.Sprint("sbc", i))
		if i < 3 {
			monitor.ping("nagios")
		}
		scanner.ping(fmt.Sprint(2000 + i))
		time.Sleep(20 * time.Millisecond)
	}
	w.wait("the scanner to be banned", 10*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
	for _, address := range []string{carrierAddress, monitorAddress} {
		if w.dropped(address + "/32") {
			t.Errorf("%s is banned: %s", address, w.bans())
		}
	}
	if n := len(w.incidents()); n != 1 {
		t.Errorf("%d incidents, want the scanner's alone", n)
	}
	if s, err := w.client().Status(t.Context()); err != nil || s.Counters["pings_ignored"] < 12 {
		t.Errorf("%d pings were ignored, %v", s.Counters["pings_ignored"], err)
	}
	phone := addPhone(t, addHost(t, l, "phone", "198.51.100.10"), "1001")
	register(t, phone)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() { _, _ = phone.Call(ctx, "7700") }() // which nobody answers
	if !carrier.gets("INVITE", 5*time.Second) {
		t.Error("a call through the carrier did not leave")
	}
}

// A thief who broke in while the mode was observe is still registered when the daemon
// starts in mode enforce: nothing of that protects the address, and a person can ban it
// without force. The owner's address stays protected.
func TestThiefOfModeObserve(t *testing.T) {
	t.Parallel()
	const owner = "198.51.100.10"
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		register(t, addPhone(t, addHost(t, l, "office", owner), "1001"))
		w := &warden{t: t, lab: l, dir: t.TempDir()}
		w.write("mode = \"observe\"", lab.AMIUser, lab.AMISecret, british)
		w.start()
		defer func() { w.stop(syscall.SIGTERM) }()
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		breakIn(t, thief)
		callNowhere(t, thief)
		w.wait("the break-in", 10*time.Second, func() bool { return w.settled("break-in") })

		w.stop(syscall.SIGTERM)
		w.write("mode = \"enforce\"", lab.AMIUser, lab.AMISecret, british)
		w.start()
		if !w.hasContact("1002") {
			t.Fatal("the thief is not registered any more")
		}
		var protected string
		w.wait("the registrations to be read", 10*time.Second, func() bool {
			protected, _ = w.tollwarden("allow", "list", "--socket", w.socket())
			return strings.Contains(protected, "registered contact of 1001")
		})
		if strings.Contains(protected, guesserAddress) {
			t.Errorf("the thief is protected:\n%s", protected)
		}
		if s, err := w.tollwarden("status", "--socket", w.socket()); err != nil || !strings.Contains(s, "1002: ") {
			t.Errorf("status does not name the stolen account: %v\n%s", err, s)
		}
		if out, err := w.tollwarden("ban", guesserAddress, "--socket", w.socket()); err != nil || !w.dropped(guesserAddress+"/32") {
			t.Errorf("a ban by hand: %v\n%s", err, out)
		}
		if out, err := w.tollwarden("ban", owner, "--socket", w.socket()); err == nil {
			t.Errorf("the owner's phone can be banned by mistake:\n%s", out)
		}
	})
}

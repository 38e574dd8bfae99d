package test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// After the first ban a guesser gets nothing more from Asterisk, over UDP or TCP, also
// on a connection that is up, while SSH stays open. After the second everything is
// closed.
func TestFirstBanLeavesSSH(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	ssh, err := l.PBX.ListenTCP(netip.MustParseAddrPort("0.0.0.0:2222"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ssh.Close() })
	w := guardWith(t, l, "[bans]\nladder = [\"4s\", \"1h\"]\n"+shortRules(3))
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel() // each mostly waits
			address := map[string]string{"udp": "192.0.2.66", "tcp": "192.0.2.67"}[transport]
			attacker := addHost(t, l, transport, address)
			connection, err := attacker.Dial(soon(t), "tcp", lab.PBXAddress+":5060")
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			if !answers(t, connection) || !reachable(t, attacker, "2222") {
				t.Fatal("nothing is answered before the ban")
			}
			for offence, want := range []incident.Scope{incident.ScopeAsterisk, incident.ScopeAll} {
				guessOver(t, attacker, transport, 6)
				for range 3 { // a busy daemon may hear of a guess before it sees the nonce that proves it
					w.wait("a ban", 5*time.Second, func() bool { return w.scope(address) != "" })
					if w.scope(address) != incident.ScopeSIP {
						break
					}
					if out, err := w.tollwarden("unban", address, "--socket", w.socket()); err != nil {
						t.Fatalf("unban: %v: %s", err, out)
					}
					guessOver(t, attacker, transport, 6)
				}
				w.wait("the ban", 5*time.Second, func() bool { return w.scope(address) == want })
				w.wait("the kernel", 2*time.Second, func() bool { return w.dropped(address + "/32") })
				if answers(t, connection) || reachable(t, attacker, "5060") {
					t.Errorf("ban %d: Asterisk answers over TCP", offence+1)
				}
				g, err := lab.Guesser{Host: attacker, Account: "1002", Rate: 50, Most: 5, Ask: true}.Run(soon(t))
				if err != nil || g.Answered > 0 {
					t.Errorf("ban %d: %d answers over UDP, %v", offence+1, g.Answered, err)
				}
				if offence == 1 {
					break
				}
				if !reachable(t, attacker, "2222") {
					t.Error("the first ban closes SSH")
				}
				w.wait("the end of the ban", 5*time.Second, func() bool { return w.scope(address) == "" })
			}
			if reachable(t, attacker, "2222") {
				t.Error("the second ban leaves SSH open")
			}
		})
	}
}

// guessOver sends wrong passwords until nothing is answered.
func guessOver(t *testing.T, from *lab.Host, transport string, most int) {
	t.Helper()
	if transport == "udp" {
		if _, err := (lab.Guesser{Host: from, Account: "1002", Rate: 50, Most: most, Ask: true}).Run(soon(t)); err != nil {
			t.Fatal(err)
		}
		return
	}
	p, err := from.Phone("1002", "wrong", lab.PhoneOptions{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range most {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_ = p.Register(ctx)
		cancel()
	}
}

// scope is that of the ban of an address, "" without one.
func (w *warden) scope(address string) incident.Scope {
	w.t.Helper()
	bans, err := w.client().Bans(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range bans {
		if incident.PrefixText(b.Prefix) == address {
			return b.Scope
		}
	}
	return ""
}

// reachable says whether a TCP port of the PBX takes a connection.
func reachable(t *testing.T, from *lab.Host, port string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", net.JoinHostPort(lab.PBXAddress, port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// answers says whether Asterisk answers a request on a connection.
func answers(t *testing.T, conn net.Conn) bool {
	t.Helper()
	request := "OPTIONS sip:" + lab.PBXAddress + " SIP/2.0\r\nVia: SIP/2.0/TCP " + conn.LocalAddr().String() + ";branch=z9hG4bK" + rand.Text() +
		"\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return false
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, _ := conn.Read(make([]byte, 4096))
	return n > 0
}

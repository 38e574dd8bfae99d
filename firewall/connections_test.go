package firewall

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// echoes listens on a TCP port of the PBX and sends back what it gets.
func (l *lab) echoes(t *testing.T, port uint16) {
	t.Helper()
	var ln net.Listener
	l.inside(t, l.pbx, func() (err error) {
		ln, err = net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
		return err
	})
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					_, _ = conn.Write([]byte(line))
				}
			}()
		}
	}()
}

// works says whether a connection carries a line there and back: this one, not an earlier
// one that was dropped and is sent again.
func works(conn net.Conn) bool {
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
	line := rand.Text() + "\n"
	if _, err := conn.Write([]byte(line)); err != nil {
		return false
	}
	got, buf := "", make([]byte, 100)
	for !strings.HasSuffix(got, line) {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		got += string(buf[:n])
	}
	return true
}

// canConnect says whether an address can open a connection.
func (l *lab) canConnect(t *testing.T, from string, port uint16) bool {
	t.Helper()
	ok := false
	l.inside(t, l.street, func() error {
		d := net.Dialer{Timeout: 300 * time.Millisecond, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
		conn, err := d.Dial("tcp", netip.AddrPortFrom(pbxFor(from), port).String())
		if err == nil {
			conn.Close()
		}
		ok = err == nil
		return nil
	})
	return ok
}

func pbxFor(from string) netip.Addr {
	if netip.MustParseAddr(from).Is6() {
		return pbx6
	}
	return pbx4
}

// remote is a connection's address as the PBX sees it.
func remote(conn net.Conn) netip.AddrPort { return netip.MustParseAddrPort(conn.LocalAddr().String()) }

// A connection is dropped alone, and an address is closed but for what is live there; on
// Asterisk's ports alone, and whatever happens to the daemon and the table.
func TestConnections(t *testing.T) {
	const web = 8443 // no port of Asterisk's
	l := newLab(t)
	for _, port := range []uint16{5060, 8088, web, otherPort} {
		l.echoes(t, port)
	}
	for _, street := range []string{"192.0.2.2", "2001:db8:1::2"} {
		t.Run(street, func(t *testing.T) {
			l.theConnections(t, street, web)
		})
	}
	w := openQuietWatch(t, l)
	for _, ports := range [][]uint16{{0}, make([]uint16, 1)} {
		if err := w.SetTCPPorts(ports); !errors.Is(err, ErrInvalid) {
			t.Errorf("ports %v: %v", ports, err)
		}
	}
	if err := w.CloseConnections(time.Hour, netip.MustParsePrefix("198.51.100.0/24"), nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("a network: %v", err)
	}
	must(t, w.Close())
}

func openQuietWatch(t *testing.T, l *lab) *Watch {
	t.Helper()
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if err != nil && !errors.Is(err, ErrNoLog) {
		t.Fatal(err)
	}
	return w
}

func (l *lab) theConnections(t *testing.T, street string, web uint16) {
	w := openQuietWatch(t, l)
	open := func(port uint16) net.Conn {
		return l.dial(t, "tcp", street, netip.AddrPortFrom(pbxFor(street), port).String())
	}
	phone, guesser, browser, page := open(5060), open(5060), open(8088), open(web)
	check := func(when string, want map[net.Conn]bool, connects bool) {
		t.Helper()
		for conn, working := range want {
			if got := works(conn); got != working {
				t.Errorf("%s: the connection from %s works: %v", when, remote(conn), got)
			}
		}
		if got := l.canConnect(t, street, 5060); got != connects {
			t.Errorf("%s: new connections: %v", when, got)
		}
		if !l.canConnect(t, street, web) {
			t.Errorf("%s: no connection to another port", when)
		}
		if found, err := w.Verify(); err != nil || len(found) > 0 {
			t.Errorf("%s: %q, %v", when, found, err)
		}
	}
	check("at first", map[net.Conn]bool{phone: true, guesser: true, browser: true, page: true}, true)
	must(t, w.DropConnection(time.Hour, remote(guesser)))
	must(t, w.DropConnection(time.Hour, remote(page)))
	must(t, w.DropFlow(time.Hour, remote(phone))) // over UDP
	check("one is dropped", map[net.Conn]bool{phone: true, guesser: false, browser: true, page: true}, true)

	at := source(netip.MustParseAddr(street))
	must(t, w.CloseConnections(time.Hour, at, []netip.AddrPort{remote(phone)}))
	closed := map[net.Conn]bool{phone: true, guesser: false, browser: false, page: true}
	check("closed", closed, false)
	if other := map[bool]string{true: "2001:db8:2::2", false: "192.0.2.3"}[at.Addr().Is6()]; !l.canConnect(t, other, 5060) {
		t.Error("its neighbour cannot connect")
	}
	must(t, w.Close())
	w = openQuietWatch(t, l)
	check("after a restart", closed, false)
	l.nft(t, "flush", "ruleset")
	must(t, w.Restore())
	check("after a flush", closed, false)

	must(t, w.SetTCPPorts([]uint16{otherPort}))
	if l.canConnect(t, street, otherPort) || !l.canConnect(t, street, 5060) {
		t.Error("other ports are not closed instead")
	}
	must(t, w.SetTCPPorts([]uint16{5060, 8088}))
	must(t, w.CloseConnections(time.Hour, at, nil))
	if works(phone) {
		t.Error("a connection passes that is no longer live")
	}
	must(t, w.CloseConnections(0, at, nil))
	check("opened again", nil, true)
	must(t, w.Close())
	l.nft(t, "flush", "ruleset")
}

// Where the kernel lets nobody decide about packets, the requests of a suspect are
// dropped, and those of live conversations are not.
func TestSuspectsWithoutAQueue(t *testing.T) {
	l := newLab(t)
	taken := openQuietWatch(t, l)
	if taken.Throttles() != nil {
		t.Skip("needs NFQUEUE in the kernel")
	}
	defer func() { must(t, taken.Close()) }()
	w, err := OpenWatch(Config{NetNS: l.pbx, Name: "other"})
	if w == nil {
		t.Fatal(err)
	}
	defer func() { must(t, w.Close()) }()
	guesser, live := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")
	must(t, w.Suspect(time.Hour, source(guesser), nil))
	must(t, w.Suspect(time.Hour, source(live), []netip.AddrPort{netip.AddrPortFrom(live, 5061)}))
	if l.passes(t, guesser, goodRequest) || !l.passes(t, live, goodRequest) {
		t.Error("a suspect's request passes, or that of a live conversation does not")
	}
}

package test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// relay stands between the daemon and Asterisk's manager interface. It passes
// everything on, and can end a connection in the middle of an event.
type relay struct {
	lab      *lab.Lab
	listener *net.TCPListener
	pumps    sync.WaitGroup
	orders   chan struct{} // to tear the next event
	torn     chan string   // what of it was passed on
}

// newRelay listens beside Asterisk until the test ends.
func newRelay(t *testing.T, l *lab.Lab) *relay { return newRelayAt(t, l, "127.0.0.1") }

// newRelayAt listens at another of the PBX's addresses.
func newRelayAt(t *testing.T, l *lab.Lab, address string) *relay {
	listener, err := l.PBX.ListenTCP(netip.AddrPortFrom(netip.MustParseAddr(address), 0))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{lab: l, listener: listener, orders: make(chan struct{}, 1), torn: make(chan string, 1)}
	r.pumps.Go(r.accept)
	t.Cleanup(func() { _ = listener.Close(); r.pumps.Wait() })
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) port() string {
	_, port, _ := net.SplitHostPort(r.address())
	return port
}

func (r *relay) accept() {
	for {
		daemon, err := r.listener.AcceptTCP()
		if err != nil {
			return
		}
		asterisk, err := r.lab.PBX.Dial(context.Background(), "tcp", lab.AMIAddress)
		if err != nil {
			_ = daemon.Close()
			continue
		}
		end := func() { _, _ = daemon.Close(), asterisk.Close() }
		r.pumps.Go(func() { defer end(); r.answers(daemon, asterisk) })
		r.pumps.Go(func() { defer end(); pump(asterisk, daemon) })
	}
}

func pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

// half is where a security event is torn, which has some 350 bytes.
const half = 100

// answers passes on what Asterisk says, and knows of each byte where in its
// block it stands.
func (r *relay) answers(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	var block []byte // what has been passed on of the present one
	for {
		n, err := from.Read(buf)
		for i, b := range buf[:n] {
			if block = append(block, b); bytes.HasSuffix(block, []byte("\r\n\r\n")) {
				block = block[:0]
			}
			if len(block) == half && bytes.HasPrefix(block, []byte("Event: Challenge")) && r.ordered() {
				_, _ = to.Write(buf[:i+1])
				r.torn <- string(block)
				return
			}
		}
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (r *relay) ordered() bool {
	select {
	case <-r.orders:
		return true
	default:
		return false
	}
}

// tear ends the event session within an event and gives what was passed on of
// it.
func (r *relay) tear() (string, error) {
	r.orders <- struct{}{}
	select {
	case part := <-r.torn:
		return part, nil
	case <-time.After(10 * time.Second):
	}
	select {
	case <-r.orders:
		return "", errors.New("no event came by that could be torn")
	case part := <-r.torn: // just now
		return part, nil
	}
}

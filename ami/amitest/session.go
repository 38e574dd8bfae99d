package amitest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// session is one manager connection: a goroutine that reads and answers
// actions, and one that writes what is queued.
type session struct {
	pbx  *PBX
	conn net.Conn
	id   string

	user      *User   // nil until logged in; the PBX's lock guards it and mask
	mask      classes // of events wanted
	challenge string
	began     time.Time

	mu      sync.Mutex
	queue   bytes.Buffer
	closing bool          // after what is queued
	filled  chan struct{} // holds a token when there is something to do
	gone    chan struct{} // closed with the connection
	once    sync.Once
}

// serve runs a session to its end.
func (p *PBX) serve(conn net.Conn) {
	if p.o.TLS != nil {
		conn = tls.Server(conn, p.o.TLS)
	}
	s := &session{pbx: p, conn: conn, filled: make(chan struct{}, 1), gone: make(chan struct{})}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		_ = conn.Close()
		return
	}
	p.serial++
	s.id = fmt.Sprintf("0x7f%010x", p.serial)
	p.sessions[s] = struct{}{}
	p.mu.Unlock()
	s.send(p.o.Banner + "\r\n")
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read()
	writer.Wait()
	p.mu.Lock()
	delete(p.sessions, s)
	p.sessionsChanged()
	p.mu.Unlock()
}

// read answers one action after the other, as Asterisk does.
func (s *session) read() {
	defer s.finish()
	actions := ami.NewReader(s.conn)
	for {
		b, err := actions.Next()
		if err != nil {
			return
		}
		r := request{}
		for _, h := range b.Headers {
			r.fields = append(r.fields, ami.Field{Name: string(h.Name), Value: string(h.Value)})
		}
		if !s.pbx.faults.pass(s.gone) || !s.pbx.run(s, r) {
			return
		}
	}
}

// send queues text. Whatever is sent under the PBX's lock keeps its order.
func (s *session) send(text string) {
	s.mu.Lock()
	if !s.closing {
		s.queue.WriteString(text)
	}
	s.mu.Unlock()
	s.wake()
}

func (s *session) wake() {
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// finish closes the session when all that is queued is written.
func (s *session) finish() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.wake()
}

// close ends the session at once.
func (s *session) close() {
	s.once.Do(func() {
		close(s.gone)
		_ = s.conn.Close()
	})
}

// write writes what is queued, in pieces that each must be taken in time.
func (s *session) write() {
	defer s.close()
	piece := make([]byte, 32<<10)
	for {
		select {
		case <-s.filled:
		case <-s.gone:
			return
		}
		for {
			s.mu.Lock()
			n, _ := s.queue.Read(piece)
			closing := s.closing
			s.mu.Unlock()
			if n == 0 {
				if closing {
					return
				}
				break
			}
			if !s.pbx.faults.hold(s.gone) {
				return
			}
			_ = s.conn.SetWriteDeadline(time.Now().Add(s.pbx.o.WriteTimeout))
			if _, err := s.conn.Write(piece[:n]); err != nil {
				select {
				case <-s.gone:
				default:
					s.pbx.cut.Add(1)
				}
				return
			}
		}
	}
}

// address gives an address as Asterisk's events do.
func (s *session) address(a net.Addr) string {
	transport := "TCP"
	if s.pbx.o.TLS != nil {
		transport = "TLS"
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "IPV4/" + transport + "/0.0.0.0/0"
	}
	return Address(transport, ap)
}

// request is one action as it came.
type request struct{ fields []ami.Field }

// get returns the first value of a header; Asterisk ignores case.
func (r request) get(name string) string {
	for _, f := range r.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

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

// session is one manager connection. One goroutine reads and answers actions, another one
// writes the queue.
type session struct {
	pbx  *PBX
	conn net.Conn
	id   string

	user      *User   // nil until logged in; the PBX's lock guards it and mask
	mask      classes // subscribed events
	challenge string
	began     time.Time

	mu      sync.Mutex
	queue   bytes.Buffer
	closing bool          // close after writing the queue
	filled  chan struct{} // holds a token when there is something to do
	gone    chan struct{} // closed with the connection
	once    sync.Once
}

// serve runs a session until it ends.
func (p *PBX) serve(conn net.Conn) {
	if p.options.TLS != nil {
		conn = tls.Server(conn, p.options.TLS)
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
	s.send(p.options.Banner + "\r\n")
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read()
	writer.Wait()
	p.mu.Lock()
	delete(p.sessions, s)
	p.sessionsChanged()
	p.mu.Unlock()
}

// read answers one action after the other, like Asterisk.
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

// send queues text. Texts sent with the PBX's lock held keep their order.
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

// finish closes the session after the queue is written.
func (s *session) finish() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.wake()
}

// close closes the session immediately.
func (s *session) close() {
	s.once.Do(func() {
		close(s.gone)
		_ = s.conn.Close()
	})
}

// write writes the queue in pieces, each within the write timeout.
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
			_ = s.conn.SetWriteDeadline(time.Now().Add(s.pbx.options.WriteTimeout))
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

// address formats an address as in Asterisk's events.
func (s *session) address(a net.Addr) string {
	transport := "TCP"
	if s.pbx.options.TLS != nil {
		transport = "TLS"
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "IPV4/" + transport + "/0.0.0.0/0"
	}
	return Address(transport, ap)
}

// request is one received action.
type request struct{ fields []ami.Field }

// get returns the first value of a header. Like Asterisk, it ignores case.
func (r request) get(name string) string {
	for _, f := range r.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

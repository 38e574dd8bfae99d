package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// priority of every line: facility authpriv (10), severity warning (4).
const priority = 10<<3 | 4

// Syslog writes to the local system log: one datagram per message to the socket
// of the syslog daemon or systemd's journal.
type Syslog struct{ Socket string }

// Name names the socket.
func (s *Syslog) Name() string { return "syslog " + s.Socket }

// Deliver writes one line.
func (s *Syslog) Deliver(ctx context.Context, m *Message) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetWriteDeadline(deadline); err != nil { // a full socket blocks
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_, err = fmt.Fprintf(conn, "<%d>%s tollwarden[%d]: %s", priority, m.At.Local().Format(time.Stamp), os.Getpid(), oneLine(m.Line, maxLine))
	return err
}

// Check connects without writing.
func (s *Syslog) Check(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (s *Syslog) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unixgram", s.Socket)
}

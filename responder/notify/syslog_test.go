package notify_test

import (
	"context"
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/notify"
)

// logSocket opens the socket of a syslog daemon.
func logSocket(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, path
}

// A message is one datagram and one line, whatever an attacker put into it.
func TestSyslog(t *testing.T) {
	conn, path := logSocket(t)
	s := &notify.Syslog{Socket: path}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	m := &notify.Message{At: time.Now(), Line: "account=\"10\n<0>Jan  1 00:00:00 kernel: forged\x1b[2J\""}
	if err := s.Deliver(ctx, m); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^<84>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d tollwarden\[\d+\]: account="10 <0>Jan 1 00:00:00 kernel: forged\\x1b\[2J"$`)
	if !want.Match(b[:n]) {
		t.Errorf("syslog got %q", b[:n])
	}
}

// A socket that nobody reads does not block longer than the timeout.
func TestSyslogThatHangs(t *testing.T) {
	_, path := logSocket(t)
	s := &notify.Syslog{Socket: path}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	var err error
	for i := 0; i < 100_000 && err == nil; i++ {
		err = s.Deliver(ctx, &notify.Message{At: start, Line: "x"})
	}
	if err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("a socket that nobody reads: %v after %s", err, time.Since(start))
	}
}

func TestSyslogWithoutADaemon(t *testing.T) {
	s := &notify.Syslog{Socket: filepath.Join(t.TempDir(), "none")}
	if err := s.Check(t.Context()); err == nil {
		t.Error("no error")
	}
}

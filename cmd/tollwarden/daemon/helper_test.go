package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
)

// site is a PBX and a daemon beside it, which answers as it answers the commands.
type site struct {
	t      *testing.T
	dir    string
	pbx    *amitest.PBX
	table  *fickleTable // the daemon's
	daemon *Daemon
	api    *control.Client
	log    *logBuffer
	stop   func() // ends the daemon
	serial int
}

const manager = "tollwarden"

// newSite starts the PBX. The daemon's configuration ends with these settings.
func newSite(t *testing.T, text string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "tw") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, log: &logBuffer{}, stop: func() {}, api: control.Dial(filepath.Join(dir, "s"))}
	s.pbx, err = amitest.Start(amitest.Options{
		ConfigDir: dir, AuthDelay: time.Millisecond,
		Users: []amitest.User{{Name: manager, Secret: "s", Read: "security,call", Write: "system,config,command,call,reporting"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if err := errors.Join(s.pbx.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	for name, secret := range map[string]string{"1001": "office", "1002": "easy-to-guess"} {
		if err := s.pbx.AddAccount(amitest.Account{Name: name, Secret: secret}); err != nil {
			t.Fatal(err)
		}
	}
	s.configure(text)
	return s
}

// configure writes the configuration file.
func (s *site) configure(text string) {
	s.t.Helper()
	_, port, _ := strings.Cut(s.pbx.Address(), ":")
	writeFile(s.t, s.file(), fmt.Sprintf("data = %q\nsocket = %q\n[asterisk]\naddress = \"localhost:%s\"\nusername = %q\nsecret = \"s\"\nconfig_dir = %q\n",
		s.dir, s.dir+"/s", port, manager, s.dir)+text)
}

func (s *site) file() string { return filepath.Join(s.dir, "t.toml") }

// open makes the daemon, which does not run yet.
func (s *site) open() error {
	source, cfg, err := settings.Open(s.file())
	if err != nil {
		return err
	}
	s.daemon, err = New(s.t.Context(), Options{
		Config: cfg, File: source, Log: zerolog.New(s.log), Version: "test",
		Firewall: func(c firewall.Config, _ zerolog.Logger) (firewall.Table, error) {
			s.table = &fickleTable{Memory: firewall.NewMemory(c), allowed: c.Allow}
			return s.table, nil
		},
	})
	return err
}

// start runs the daemon until stop, and waits until it answers.
func (s *site) start() {
	s.t.Helper()
	if err := s.open(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	d := s.daemon
	go func() { ended <- d.Run(ctx) }()
	s.stop = func() {
		s.stop = func() {}
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the daemon ended with %v", err)
		}
		d.Close()
	}
	s.wait("an answer", func() bool { _, err := s.api.Status(s.t.Context()); return err == nil })
}

// listening waits for both sessions, and for Asterisk's state to be read.
func (s *site) listening() {
	s.t.Helper()
	s.wait("the sessions", func() bool { return s.check("events").OK && s.check("commands").OK && s.check("canary").OK })
}

func (s *site) wait(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s; the log:\n%s", what, s.log)
		}
	}
}

func (s *site) status() control.Status {
	s.t.Helper()
	status, err := s.api.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

func (s *site) check(name string) control.Check {
	s.t.Helper()
	for _, c := range s.status().Checks {
		if c.Name == name {
			return c
		}
	}
	s.t.Fatalf("there is no check %q", name)
	return control.Check{}
}

// security raises an event of a request over TCP, which cannot be spoofed.
func (s *site) security(event, account, source string, extra ...ami.Field) {
	s.serial++
	severity := "Error"
	if event == "SuccessfulAuth" {
		severity = "Informational"
	}
	s.pbx.Security(amitest.SecurityEvent{
		Event: event, Severity: severity, Account: account, Session: fmt.Sprintf("call-%d", s.serial), Local: "IPV4/TCP/192.0.2.1/5060",
		Remote: amitest.Address("TCP", netip.AddrPortFrom(netip.MustParseAddr(source), 5060)), Extra: extra,
	})
}

// guess is one wrong password.
func (s *site) guess(account, source string) {
	s.security("ChallengeResponseFailed", account, source,
		ami.Field{Name: "Challenge", Value: "1/a"}, ami.Field{Name: "Response", Value: "b"}, ami.Field{Name: "ExpectedResponse", Value: ""})
}

func (s *site) dropped(addr string) bool {
	return s.table.Dropped(netip.MustParseAddr(addr), time.Now())
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *logBuffer) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *logBuffer) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// fickleTable is a firewall that does not always let go.
type fickleTable struct {
	*firewall.Memory
	mu      sync.Mutex
	allowed []netip.Prefix
	refuse  error // of the next release
}

func (f *fickleTable) Allow(prefixes []netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.allowed = prefixes
	return f.Memory.Allow(prefixes)
}

func (f *fickleTable) Release(prefixes ...netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	return f.Memory.Release(prefixes...)
}

// Reconcile is refused once, after the release.
func (f *fickleTable) Reconcile(now time.Time, bans []firewall.Ban) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refuse; err != nil {
		f.refuse = nil
		return err
	}
	return f.Memory.Reconcile(now, bans)
}

// refuses has the next release fail.
func (f *fickleTable) refuses(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = err
}

// allows says whether the table has exactly this prefix on its allow list.
func (f *fickleTable) allows(prefix netip.Prefix) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.allowed {
		if p == prefix {
			return true
		}
	}
	return false
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

var errHeld = errors.New("no buffer space")

// newStoppedSite is a site whose daemon is opened and does not run: only its
// engine does.
func newStoppedSite(t *testing.T, text string) *site {
	t.Helper()
	s := newSite(t, text)
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.daemon.engine.Run(ctx) }()
	s.stop = func() {
		cancel()
		<-ended
		s.daemon.Close()
	}
	return s
}

// reload has the daemon read another configuration.
func (s *site) reload(text string) error {
	s.t.Helper()
	s.configure(text)
	_, err := s.daemon.config.reload(s.t.Context())
	return err
}

// banOnly is a rule whose playbook writes no file.
const banOnly = "[[playbook]]\nname = \"p\"\nsteps = [\"ban\"]\n[[threshold]]\nname = \"t\"\nper = \"account\"\nsignals = { InvalidPassword = 1 }\nscore = 3\nwithin = \"1h\"\nplaybook = \"p\"\n"

// Steps that a reload adds are checked from then on, and what a reload cannot
// change is refused.
func TestReloadOfSteps(t *testing.T) {
	s := newStoppedSite(t, banOnly)
	if err := os.Mkdir(filepath.Join(s.dir, "secrets"), 0o700); err != nil { // where the file should be
		t.Fatal(err)
	}
	check := func() control.Check { return s.daemon.config.checkFiles(time.Now()) }
	if c := check(); !c.OK {
		t.Errorf("nothing is written: %+v", c)
	}
	for name, tt := range map[string]struct{ text, refused string }{
		"restrict":        {"[restrict]\nnetworks = 9\n" + banOnly, ""},
		"break_in":        {"[break_in]\nfailures = 9\n" + banOnly, ""},
		"break_in.known":  {"[break_in]\nknown = \"90d\"\n" + banOnly, "only a restart can change break_in.known"},
		"the same as was": {banOnly, ""},
	} {
		err := s.reload(tt.text)
		if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.reload(strings.Replace(banOnly, `["ban"]`, `["ban", "rotate"]`, 1)); err != nil {
		t.Fatal(err)
	}
	if c := check(); c.OK || !strings.Contains(c.Detail, "rotate will fail") {
		t.Errorf("the place of the passwords is taken: %+v", c)
	}
	s.daemon.config.current.Load().Mode = config.Observe
	if c := check(); !c.OK || !strings.Contains(c.Detail, "in mode enforce: rotate will fail") {
		t.Errorf("in mode observe: %+v", c)
	}
}

// A reload puts everything in force: the command, the canary's interval, the
// receivers.
func TestReloadOfTheRest(t *testing.T) {
	s := newStoppedSite(t, banOnly)
	if err := s.reload("[health]\ncanary = \"7s\"\n[exec]\ncommand = [\"/bin/true\"]\n[notify]\nwebhook = \"http://127.0.0.1:1/\"\n" + banOnly); err != nil {
		t.Fatal(err)
	}
	if d := s.daemon; d.sessions.canary.interval() != 7*time.Second || len(d.command.command.Load().Command) != 1 || d.config.current.Load().Notify.Webhook == "" {
		t.Errorf("interval %s, command %v", d.sessions.canary.interval(), d.command.command.Load().Command)
	}
	old := s.daemon.config.file
	s.daemon.config.file = nil
	if _, err := s.daemon.config.reload(t.Context()); err == nil {
		t.Error("a reload without a file succeeds")
	}
	if err := s.daemon.config.handleSIGHUP(t.Context()); err != nil {
		t.Error(err)
	}
	s.daemon.config.file = old
}

// The old names in a file are logged with each reload, and not when they are gone.
func TestReloadWithOldNames(t *testing.T) {
	s := newStoppedSite(t, "[bans]\nclaimed = \"5m\"\n")
	if err := s.reload("[bans]\nclaimed = \"6m\"\n"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.log.String(), "bans.claimed is now bans.spoofable") {
		t.Errorf("the log:\n%s", s.log)
	}
	if err := s.reload("[bans]\nspoofable = \"6m\"\n"); err != nil || s.daemon.config.file.State().Warnings != nil {
		t.Errorf("after the rename: %v", err)
	}
}

// A change of the allow list that fails half done leaves kernel and engine as they
// were; the manager interface's address is tried again.
func TestAllowThatFails(t *testing.T) {
	s := newStoppedSite(t, banOnly)
	d := s.daemon
	ban := func(addr string) netip.Prefix {
		t.Helper()
		prefix := netip.PrefixFrom(netip.MustParseAddr(addr), 32)
		if _, err := d.engine.Bans.Ban(prefix, time.Time{}, "test", true, 0); err != nil {
			t.Fatal(err)
		}
		s.table.refuses(errHeld)
		return prefix
	}
	for name, change := range map[string]func(netip.Prefix) error{
		"by order": func(p netip.Prefix) error {
			_, err := d.config.changeAllowList(time.Now(), 0, control.AllowOrder{Prefix: p})
			return err
		},
		"by a reload": func(netip.Prefix) error { return s.reload("[firewall]\nallow = [\"198.51.100.7\"]\n" + banOnly) },
	} {
		prefix := ban("198.51.100.7")
		if err := change(prefix); !errors.Is(err, errHeld) {
			t.Fatalf("%s: %v", name, err)
		}
		if s.table.allows(prefix) {
			t.Errorf("%s: the kernel lets it through", name)
		}
		if _, err := d.engine.Bans.Ban(prefix, time.Time{}, "again", false, 0); err != nil {
			t.Errorf("%s: it cannot be banned: %v", name, err)
		}
	}
	if n := len(d.config.allow.file.Entries()); n != 0 {
		t.Errorf("%d entries in the file", n)
	}
	host := ban("198.51.100.8")
	d.config.managerAt(host.Addr())
	if s.table.allows(host) || d.engine.Bans.Count() != 2 {
		t.Errorf("half done: allowed %t, %d bans", s.table.allows(host), d.engine.Bans.Count())
	}
	d.config.managerAt(host.Addr()) // the next connection
	if !s.table.allows(host) || d.engine.Bans.Count() != 1 {
		t.Errorf("the manager interface can be banned: allowed %t, %d bans", s.table.allows(host), d.engine.Bans.Count())
	}
}

// A disk that does not answer prevents no start, but shows: whoever is in the file
// can be banned.
func TestUnreadableAllowFile(t *testing.T) {
	s := newSite(t, banOnly)
	file := filepath.Join(s.dir, "allow")
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	s.stop = s.daemon.Close
	if c := s.daemon.config.checkFiles(time.Now()); c.OK || !strings.Contains(c.Detail, "the addresses in the allow file can be banned") {
		t.Errorf("%+v", c)
	}
	if st := s.daemon.config.allow.state(); st.Refused == "" || !st.Loaded.IsZero() {
		t.Errorf("%+v", st)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, "192.0.2.66\n")
	if err := s.reload(banOnly); err != nil {
		t.Fatal(err)
	}
	if c := s.daemon.config.checkFiles(time.Now()); !c.OK {
		t.Errorf("after the reload: %+v", c)
	}
}

// Where the manager interface is: by its address, by where its name led, or by
// looking the name up.
func TestManagerAddresses(t *testing.T) {
	cfg := config.Default()
	list := func(address string) *allowList {
		c := *cfg
		c.Asterisk.Address, c.Data = net.JoinHostPort(address, "5038"), t.TempDir()
		a, err := openAllowList(&c, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if got := list("192.0.2.1").managers(t.Context()); len(got) != 1 || got[0] != netip.MustParsePrefix("192.0.2.1/32") {
		t.Errorf("by its address: %v", got)
	}
	named := list("localhost")
	if got := named.managers(t.Context()); len(got) == 0 || !got[0].Addr().IsLoopback() {
		t.Errorf("by its name: %v", got)
	}
	undo, changed := named.setManager(netip.MustParseAddr("192.0.2.2"))
	if got := named.managers(t.Context()); !changed || len(got) != 1 || got[0] != netip.MustParsePrefix("192.0.2.2/32") {
		t.Errorf("after a connection: %v", got)
	}
	if _, again := named.setManager(netip.MustParseAddr("192.0.2.2")); again {
		t.Error("the same address is news")
	}
	undo()
	if got := named.prefixes(time.Now()); slices.Contains(got, netip.MustParsePrefix("192.0.2.2/32")) {
		t.Errorf("undone: %v", got)
	}
}

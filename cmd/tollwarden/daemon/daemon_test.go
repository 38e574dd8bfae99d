package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// From a guess to the ban, the incident, the feeds, and the next run.
func TestAGuesserIsStopped(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	watching, stopWatching := context.WithCancel(t.Context())
	bans, incidents := make(chan control.BanChange, 10), make(chan incident.Incident, 10)
	watched := make(chan error, 2)
	go func() {
		watched <- s.api.WatchBans(watching, func(c control.BanChange) error { bans <- c; return nil })
	}()
	go func() {
		watched <- s.api.WatchIncidents(watching, func(i incident.Incident) error { incidents <- i; return nil })
	}()
	s.wait("the watches", func() bool { return s.daemon.feeds.bans.watched() && s.daemon.feeds.incidents.watched() })
	for range 3 {
		s.guess("1002", "192.0.2.66")
	}
	s.wait("the ban", func() bool { return s.dropped("192.0.2.66") })
	if c := <-bans; c.Change != incident.Banned || c.Ban.Prefix != netip.MustParsePrefix("192.0.2.66/32") {
		t.Errorf("the feed of bans has %+v", c)
	}
	if i := <-incidents; i.Threshold != "password guessing" || i.Evidence != nil {
		t.Errorf("the feed of incidents has %+v", i)
	}
	s.wait("the incident's end", func() bool {
		list, err := s.api.Incidents(t.Context(), 10)
		return err == nil && len(list) == 1 && list[0].Steps[0].State == incident.Done
	})
	list, err := s.api.Bans(t.Context())
	if err != nil || len(list) != 1 || list[0].Packets == nil || list[0].Offence != 1 {
		t.Errorf("bans: %+v, %v", list, err)
	}
	recorded, err := s.api.Incidents(t.Context(), 1)
	if err != nil || len(recorded) != 1 {
		t.Fatal(recorded, err)
	}
	one, err := s.api.Incident(t.Context(), recorded[0].ID)
	if err != nil || len(one.Evidence) != 3 || !strings.Contains(string(one.Evidence[0].Raw), "ChallengeResponseFailed") {
		t.Errorf("incident: %+v, %v", one, err)
	}
	if st := s.status(); st.Health != control.Healthy || st.Firewall.Bans != 1 || st.Counters["incidents"] != 1 || st.Version != "test" || st.Asterisk.CanaryHeard == nil {
		t.Errorf("status: %+v", st)
	}
	stopWatching()
	for range 2 {
		if err := <-watched; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}

	s.stop()
	s.start() // its table in memory is a new one
	s.wait("the ban of the previous run", func() bool { return s.dropped("192.0.2.66") })
}

// A second daemon on the same socket touches nothing, and says why it ends.
func TestASecondDaemon(t *testing.T) {
	s := newSite(t, "")
	s.start()
	first, table := s.daemon, s.table
	err := s.open()
	if err == nil || !strings.Contains(err.Error(), "already answers") || s.table != table {
		t.Errorf("%v", err)
	}
	s.daemon = first
	s.status()
}

// A start that fails closes what it has opened.
func TestAFailedStartReleasesEverything(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct{ settings, file, want string }{
		"the port is taken":      {"[health]\nlisten = \"" + taken.Addr().String() + "\"\n", "", "address already in use"},
		"an unknown certificate": {"tls = true\ntls_ca = \"/nowhere.pem\"\n", "", "asterisk.tls_ca"},
		"a mistyped allow file":  {"", "198.51.100.700\n", "allow:1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, tt.settings)
			if tt.file != "" {
				writeFile(t, s.dir+"/allow", tt.file)
			}
			if err := s.open(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if _, err := s.api.Status(t.Context()); !errors.Is(err, control.ErrNotRunning) {
				t.Errorf("somebody answers: %v", err)
			}
		})
	}
}

// Without Asterisk the daemon runs and says what it cannot do; when Asterisk is
// there again it goes on, and the time between is a gap.
func TestAsteriskGoesAway(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	s.pbx.Down()
	s.wait("the loss", func() bool { return !s.check("events").OK && !s.check("commands").OK })
	if st := s.status(); st.Health != control.Degraded || st.Asterisk.ConnectedSince != nil || st.Asterisk.Gaps != 0 {
		t.Errorf("without Asterisk: %+v", st)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.api.Hangup(soon, control.AccountOrder{Account: "1001"}); err == nil {
		t.Error("a hangup without a session succeeds")
	}
	if err := s.pbx.Up(); err != nil {
		t.Fatal(err)
	}
	s.listening()
	s.wait("Asterisk's version", func() bool { return strings.Contains(s.status().Asterisk.Version, "22.10.1") })
	if st := s.status(); st.Health != control.Healthy || st.Asterisk.Gaps != 1 || st.Asterisk.LastGap == nil {
		t.Errorf("with Asterisk again: %+v", st)
	}
	if !strings.Contains(s.log.String(), "blind_from") {
		t.Errorf("the log lacks the gap:\n%s", s.log)
	}
}

// What happened between two runs is a gap, too.
func TestTheTimeBetweenRunsIsAGap(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	if gaps := s.status().Asterisk.Gaps; gaps != 0 {
		t.Errorf("the first run begins with %d gaps", gaps)
	}
	s.stop()
	stopped := time.Now()
	s.start()
	s.listening()
	st := s.status()
	if st.Asterisk.Gaps != 1 || st.Asterisk.LastGap.From.After(stopped) || st.Asterisk.LastGap.To.Before(stopped) {
		t.Errorf("gap: %+v", st.Asterisk)
	}
}

// A reload puts the file in force or refuses it, by order and by SIGHUP.
func TestReloadOfARunningDaemon(t *testing.T) {
	s := newSite(t, "")
	s.start()
	s.listening()
	s.configure("[firewall]\nallow = [\"198.51.100.0/24\"]\n")
	if c := s.status().Config; !c.Changed || c.Refused != "" {
		t.Errorf("before the reload: %+v", c)
	}
	if c, err := s.api.Reload(t.Context()); err != nil || !strings.Contains(c.Message, "is in force") {
		t.Errorf("%+v, %v", c, err)
	}
	if !s.table.allows(netip.MustParsePrefix("198.51.100.0/24")) || s.status().Config.Changed {
		t.Error("the new allow list is not in force")
	}
	for name, tt := range map[string]struct{ settings, want string }{
		"a mistake":       {"[firewall]\nallow = [\"nonsense\"]\n", "firewall.allow"},
		"needs a restart": {"[firewall]\ntable = \"other\"\n", "only a restart can change firewall.table"},
		"no certificate":  {"[notify.mail]\nserver = \"localhost:25\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\nca = \"/nowhere.pem\"\n", "notify.mail.ca"},
	} {
		s.configure(tt.settings)
		_, err := s.api.Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "the old configuration stays in force") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if c := s.status().Config; c.Refused == "" || !s.table.allows(netip.MustParsePrefix("198.51.100.0/24")) {
			t.Errorf("%s: status has %+v", name, c)
		}
	}
	s.configure("[firewall]\nallow = [\"203.0.113.0/24\"]\n")
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.wait("the reload by signal", func() bool { return s.table.allows(netip.MustParsePrefix("203.0.113.0/24")) })
}

// The manager interface's address is never banned, though the configuration has
// only its name.
func TestTheManagerInterfaceIsNeverBanned(t *testing.T) {
	s := newSite(t, "[firewall]\nallow = []\n")
	s.start()
	s.listening()
	list, err := s.api.AllowList(t.Context())
	if err != nil || !slices.ContainsFunc(list, func(a control.Allowed) bool {
		return a.Origin == control.FromAsterisk && a.Prefix == netip.MustParsePrefix("127.0.0.1/32")
	}) {
		t.Errorf("allow list: %+v, %v", list, err)
	}
	for range 5 {
		s.guess("1002", "127.0.0.1")
	}
	s.wait("the guesses", func() bool { return s.status().Counters["observations"] >= 5 })
	if s.dropped("127.0.0.1") {
		t.Error("the manager interface is banned")
	}
}

// What the monitoring reads is what status says.
func TestMetrics(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	s := newSite(t, "[health]\nlisten = \""+address+"\"\n")
	s.start()
	get := func(path string) (int, string) {
		t.Helper()
		r, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body)
	}
	s.wait("its health", func() bool {
		code, body := get("/healthz")
		if code != http.StatusOK && !(code == http.StatusServiceUnavailable && strings.Contains(body, `"health":"starting"`)) {
			t.Fatalf("/healthz after the start: %d %s", code, body)
		}
		return code == http.StatusOK
	})
	for range 3 {
		s.guess("1002", "192.0.2.66")
	}
	s.wait("the ban", func() bool { return s.dropped("192.0.2.66") })
	_, metrics := get("/metrics")
	for _, want := range []string{"tollwarden_build_info{mode=\"enforce\",version=\"test\"} 1", "tollwarden_bans 1", "tollwarden_gaps_total 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	r := metricsSource{s.daemon.api.statusSource, s.daemon.alarms, s.daemon.logSensor}.Reading()
	if r.Bans != 1 || r.CanaryAge < 0 || r.Sessions["events"].Logins != 1 || r.Sessions["events"].Blocks == 0 || r.ConfigLoaded.IsZero() || r.ConfigChanged || r.Dropped == nil {
		t.Errorf("reading: %+v", r)
	}
	s.pbx.Down()
	s.wait("the loss", func() bool {
		code, body := get("/healthz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "events")
	})
}

// A registered phone keeps its address unbanned, and a break-in from elsewhere is
// contained: calls end, the password changes, the registration goes.
func TestABreakInIsContained(t *testing.T) {
	s := newSite(t, "")
	s.pbx.Register(amitest.Contact{Account: "1001", Via: netip.MustParseAddrPort("198.51.100.10:5060"), UserAgent: "desk phone"})
	s.start()
	s.listening()
	for _, source := range []string{"203.0.113.7", "203.0.113.7", "203.0.113.8", "203.0.113.8", "203.0.113.9"} {
		s.guess("1002", source)
	}
	s.pbx.Register(amitest.Contact{Account: "1002", Via: netip.MustParseAddrPort("203.0.113.9:5060"), UserAgent: "friendly-scanner"})
	s.security("SuccessfulAuth", "1002", "203.0.113.9", amiField("UsingPassword", "1"))
	s.pbx.AddChannel(amitest.Channel{Account: "1002", State: 6, Exten: "0088213000001"})
	s.wait("the containment", func() bool {
		return s.pbx.Secret("1002") != "easy-to-guess" && len(s.pbx.Contacts("1002")) == 0 && len(s.pbx.Channels()) == 0
	})
	if s.pbx.Secret("1001") != "office" || len(s.pbx.Contacts("1001")) != 1 {
		t.Error("the office is affected")
	}
}

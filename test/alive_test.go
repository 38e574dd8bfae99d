package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// mailbox takes what a webhook posts.
type mailbox struct {
	mu   sync.Mutex
	mail []map[string]any
	url  string
}

// newMailbox listens in the PBX's namespace, where the daemon can reach it.
func newMailbox(t *testing.T, l *lab.Lab) *mailbox {
	t.Helper()
	m := &mailbox{}
	listener, err := l.PBX.ListenTCP(lab.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var letter map[string]any
		if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&letter) == nil {
			m.mu.Lock()
			m.mail = append(m.mail, letter)
			m.mu.Unlock()
		}
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	m.url = "http://" + listener.Addr().String() + "/alarms"
	return m
}

// got returns how many messages of a kind came, and the last one's text.
func (m *mailbox) got(event string) (n int, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, letter := range m.mail {
		if letter["event"] == event {
			n++
			text, _ = letter["text"].(string)
		}
	}
	return n, text
}

// get asks the daemon's web server from inside the PBX.
func (w *warden) get(path string) (code int, body string) {
	w.t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: w.lab.PBX.Dial}}
	resp, err := client.Get("http://" + metricsAddress + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// metric is the value of one series, written as Prometheus writes it.
func (w *warden) metric(series string) (value float64) {
	w.t.Helper()
	_, body := w.get("/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				w.t.Fatal(err)
			}
			return value
		}
	}
	return -1
}

const (
	metricsAddress = "127.0.0.1:9465"
	health         = "\n[health]\ncanary = \"1s\"\nfirewall = \"2s\"\nlisten = \"" + metricsAddress + "\"\n"
)

func (w *warden) check(name string) control.Check {
	w.t.Helper()
	s, err := w.client().Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range s.Checks {
		if c.Name == name {
			return c
		}
	}
	w.t.Fatalf("there is no check %q", name)
	return control.Check{}
}

// Only the canary notices an Asterisk that keeps the connection and raises no
// security events: the daemon raises an alarm, reconnects, and reports when events
// are back.
func TestDeafEventSessionIsNoticed(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	m := newMailbox(t, l)
	w := guardWith(t, l, fmt.Sprintf("[notify]\nwebhook = %q\n", m.url)+health+shortRules(3))
	if c := w.check("canary"); !c.OK {
		t.Fatalf("canary: %+v", c)
	}
	// Filters are read at login, so that the present session still hears events: the
	// reconnected one does not.
	deafen(t, l, true)
	if out, err := l.PBX.Command(t.Context(), "ss", "-K", "dport", "=", "5038").CombinedOutput(); err != nil {
		t.Fatalf("ss -K: %v: %s", err, out)
	}
	w.wait("the canary to be missed", 40*time.Second, func() bool { return !w.check("canary").OK })
	if code, body := w.get("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "canary") {
		t.Errorf("healthz: %d %s", code, body)
	}
	if out, err := w.tollwarden("status", "--socket", w.socket()); err == nil || !strings.Contains(out, "test event") {
		t.Errorf("status: %v\n%s", err, out)
	}
	w.wait("the alarm", 60*time.Second, func() bool { n, _ := m.got("degraded"); return n == 1 })
	deafen(t, l, false)
	w.wait("health", 40*time.Second, func() bool { code, _ := w.get("/healthz"); return code == http.StatusOK })
	w.wait("the all-clear", 5*time.Second, func() bool { n, _ := m.got("healthy"); return n == 1 })
	if n := w.metric("tollwarden_canaries_lost_total"); n < 1 {
		t.Errorf("%v canaries lost", n)
	}
	if list := w.incidents(); len(list) > 0 {
		t.Errorf("canaries made incidents: %+v", list)
	}
}

// deafen adds a filter to manager.conf that keeps security events from the daemon's
// user, or removes it.
func deafen(t *testing.T, l *lab.Lab, on bool) {
	t.Helper()
	file := l.Path("/etc/asterisk/manager.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := "[" + lab.AMIUser + "]\n"
	const filter = "eventfilter=!Privilege: security\n"
	before, after, ok := strings.Cut(string(text), section)
	if !ok {
		t.Fatalf("no %s in manager.conf:\n%s", section, text)
	}
	after = strings.TrimPrefix(after, filter)
	if on {
		after = filter + after
	}
	if err := os.WriteFile(file, []byte(before+section+after), 0o640); err != nil {
		t.Fatal(err)
	}
	if out, err := l.CLI(t.Context(), "manager reload"); err != nil {
		t.Fatalf("manager reload: %v: %s", err, out)
	}
}

// Whatever other programs do to the table, it is restored at once with every ban,
// and the repair is reported.
func TestTableIsRestored(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	m := newMailbox(t, l)
	w := guardWith(t, l, fmt.Sprintf("[notify]\nwebhook = %q\nburst = 6\n", m.url)+health+shortRules(3))
	banned := []string{"203.0.113.1", "203.0.113.2", "203.0.113.128/25", "2001:db8:9::/64"}
	for _, b := range banned {
		if out, err := w.tollwarden("ban", b, "--for", "1h", "--socket", w.socket()); err != nil {
			t.Fatalf("ban %s: %v: %s", b, err, out)
		}
	}
	for i, command := range []string{
		"flush ruleset",
		"delete table inet tollwarden",
		"flush set inet tollwarden hosts4",
		"flush chain inet tollwarden incoming",
		"insert rule inet tollwarden outgoing accept",
		"delete element inet tollwarden hosts4 { 203.0.113.1 }",
	} {
		if out, err := l.PBX.Command(t.Context(), "nft", command).CombinedOutput(); err != nil {
			t.Fatalf("nft %s: %v: %s", command, err, out)
		}
		took := w.wait("the repair after "+command, 5*time.Second, func() bool { return w.metric("tollwarden_table_repairs_total") == float64(i+1) })
		for _, b := range []string{"203.0.113.1/32", "203.0.113.2/32", "203.0.113.128/25", "2001:db8:9::/64"} {
			if !w.dropped(b) {
				t.Errorf("after %s: %s is not in the kernel", command, b)
			}
		}
		c := w.check("kernel")
		t.Logf("%s: seen repaired after %s: %s", command, took.Round(time.Millisecond), c.Detail)
		if !c.OK || !strings.Contains(c.Detail, "by nft") {
			t.Errorf("after %s the check says %+v", command, c)
		}
		w.wait("the report", 5*time.Second, func() bool { n, text := m.got("repaired"); return n == i+1 && strings.Contains(text, "by nft") })
	}
	if s, err := w.client().Status(t.Context()); err != nil || s.Health != control.Healthy || s.Firewall.Repairs != 6 {
		t.Errorf("status %+v, %v", s, err)
	}
	// A chain ahead of ours is reported and changes nothing.
	nft := "add table ip early; add chain ip early first { type filter hook prerouting priority -450; policy accept; }"
	if out, err := l.PBX.Command(t.Context(), "nft", nft).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	w.wait("the chain ahead to be reported", 5*time.Second, func() bool { return strings.Contains(w.check("kernel").Detail, "table ip early") })
	if c := w.check("kernel"); !c.OK {
		t.Errorf("kernel: %+v", c)
	}
}

// A reload changes the rules and loses no score, ban or event; a faulty file
// changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guardWith(t, l, health+shortRules(5))
	attacker := addHost(t, l, "attacker", guesserAddress)
	guess := func(h *lab.Host, n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := (lab.Guesser{Host: h, Account: "1002", Rate: 50, Most: n, Ask: true}).Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := w.tollwarden("ban", "203.0.113.9", "--forever", "--socket", w.socket()); err != nil {
		t.Fatalf("ban: %v: %s", err, out)
	}
	guess(attacker, 2)
	before, err := w.client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// A faulty file is refused by the command and on SIGHUP, and status shows it.
	w.configure(health + shortRules(0))
	if s, err := w.client().Status(t.Context()); err != nil || !s.Config.Changed {
		t.Errorf("status does not say that the file has changed: %+v, %v", s.Config, err)
	}
	if out, err := w.tollwarden("reload", "--socket", w.socket()); err == nil || !strings.Contains(out, "score: 0: want 1 to 1000") {
		t.Errorf("reload of a faulty file: %v: %s", err, out)
	}
	w.signal(syscall.SIGHUP)
	w.configure("[firewall]\ntable = \"other\"\n" + health + shortRules(3))
	if out, err := w.tollwarden("reload", "--socket", w.socket()); err == nil || !strings.Contains(out, "only a restart can change firewall.table") {
		t.Errorf("reload of another table: %v: %s", err, out)
	}
	if s, err := w.client().Status(t.Context()); err != nil || s.Config.Refused == "" || s.Health != control.Healthy {
		t.Errorf("status after a refused reload: %+v, %v", s, err)
	}

	// A valid file: the two earlier guesses count towards the new score.
	w.configure(health + shortRules(3) + "[bans]\nladder = [\"40m\"]\nspoofable = \"40m\"\n")
	if out, err := w.tollwarden("reload", "--socket", w.socket()); err != nil {
		t.Fatalf("reload: %v: %s", err, out)
	}
	if w.dropped(guesserAddress + "/32") {
		t.Error("the reload itself banned an address")
	}
	guess(attacker, 1)
	w.wait("the third guess to cross the threshold", 2*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
	bans, err := w.client().Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bans {
		if b.Prefix == guesserPrefix && b.Until.Sub(b.Since).Round(time.Minute) != 40*time.Minute {
			t.Errorf("the new ban times are not in force: %+v", b)
		}
	}
	if !w.dropped("203.0.113.9/32") {
		t.Error("the earlier ban is lost")
	}

	// By signal, too, with an allow list that contains the office.
	w.configure(health + shortRules(3) + "[firewall]\nallow = [\"198.51.100.0/24\", \"127.0.0.0/8\"]\n")
	w.signal(syscall.SIGHUP)
	w.wait("the reload by signal", 5*time.Second, func() bool {
		s, err := w.client().Status(t.Context())
		return err == nil && !s.Config.Changed && s.Config.Refused == ""
	})
	guess(addHost(t, l, "office", "198.51.100.10"), 6)
	time.Sleep(200 * time.Millisecond)
	if w.dropped("198.51.100.10/32") {
		t.Error("the office is dropped although the new allow list contains it")
	}

	after, err := w.client().Status(t.Context())
	if err != nil || after.Asterisk.Gaps != 0 || !after.Asterisk.ConnectedSince.Equal(*before.Asterisk.ConnectedSince) {
		t.Errorf("the reloads cost the event session: %+v, %v", after.Asterisk, err)
	}
}

// `down` refuses while the daemon runs, and otherwise removes everything from the
// kernel; the next start restores the bans.
func TestDown(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guard(t, l, 3)
	if out, err := w.tollwarden("ban", "203.0.113.9", "--forever", "--socket", w.socket()); err != nil {
		t.Fatalf("ban: %v: %s", err, out)
	}
	if out, err := w.tollwarden("down", "-c", w.config()); err == nil || !strings.Contains(out, "stop it first") {
		t.Errorf("down beside a running daemon: %v: %s", err, out)
	}
	w.stop(syscall.SIGTERM)
	if !w.dropped("203.0.113.9/32") {
		t.Error("the stop took the drop out of the kernel")
	}
	if out, err := w.tollwarden("down", "-c", w.config()); err != nil {
		t.Errorf("down: %v: %s", err, out)
	}
	if out, err := l.PBX.Command(t.Context(), "nft", "list", "ruleset").CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "" {
		t.Errorf("left behind: %v:\n%s", err, out)
	}
	w.start()
	if !w.dropped("203.0.113.9/32") {
		t.Error("the ban did not come back")
	}
}

// configure rewrites the configuration, with the lab's login.
func (w *warden) configure(sections string) {
	w.t.Helper()
	w.write("", lab.AMIUser, lab.AMISecret, sections)
}

// incident waits for the message about an incident of the threshold.
func (m *mailbox) incident(t *testing.T, threshold string) (i incident.Incident) {
	t.Helper()
	for range 6000 {
		m.mu.Lock()
		for _, letter := range m.mail {
			if letter["threshold"] == threshold {
				data, err := json.Marshal(letter)
				if err != nil || json.Unmarshal(data, &i) != nil {
					t.Errorf("posted %v", letter)
				}
			}
		}
		m.mu.Unlock()
		if i.ID != 0 {
			return i
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nothing was posted of %q", threshold)
	return i
}

// A start that fails says why in one line and changes nothing: a second daemon
// leaves the first one's bans alone.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	b.start()
	b.must("ban", "192.0.2.66", "--socket", b.socket())
	was := b.nft("-a", "list", "tables") + b.nft("-s", "-a", "list", "table", "inet", "tollwarden")
	b.run("run", "-c", b.config()).wants(t, "a second daemon", 1, "a daemon already answers there")
	if is := b.nft("-a", "list", "tables") + b.nft("-s", "-a", "list", "table", "inet", "tollwarden"); is != was {
		t.Errorf("a second daemon changed\n%s\nto\n%s", was, is)
	}
	b.run("status", "--socket", b.socket()).wants(t, "the first daemon", 0, "ok · mode enforce")
	b.stop(syscall.SIGTERM)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text, err := os.ReadFile(b.config())
	if err != nil {
		t.Fatal(err)
	}
	listen := fmt.Sprintf("[health]\nlisten = %q\n", taken.Addr())
	if err := os.WriteFile(b.config(), append(text, listen...), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run("run", "-c", b.config()).wants(t, "a port in use", 1, "address already in use")
	if _, err := os.Stat(b.socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is left: %v", err)
	}
}

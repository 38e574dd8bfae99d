package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// postbox is a mail server that keeps what it gets.
type postbox struct {
	address string

	mu      sync.Mutex
	letters []string
}

func newPostbox(t *testing.T) *postbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return postboxAt(t, listener)
}

// postboxAt is one that takes its letters at a listener, and closes it with the test.
func postboxAt(t *testing.T, listener net.Listener) *postbox {
	p := &postbox{address: listener.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return letterbox{p}, nil }))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return p
}

// raw are the letters so far.
func (p *postbox) raw() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.letters)
}

// got are the letters so far, their soft line ends taken out.
func (p *postbox) got() []string {
	list := p.raw()
	for i, letter := range list {
		list[i] = strings.ReplaceAll(letter, "=\r\n", "")
	}
	return list
}

// letterbox is one conversation.
type letterbox struct{ p *postbox }

func (letterbox) Mail(string, *smtp.MailOptions) error { return nil }
func (letterbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (letterbox) Reset()                               {}
func (letterbox) Logout() error                        { return nil }
func (l letterbox) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.p.letters = append(l.p.letters, string(b))
	return err
}

// deadEnd takes every connection and never says a word.
func deadEnd(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silence(t, listener)
	return listener.Addr().String()
}

// silence is what a dead end does with its connections.
func silence(t *testing.T, listener net.Listener) {
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

// program writes a shell script for the step exec.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "on-incident")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// loud are the thresholds of this file: a break-in is contained, notified and passed
// to a program; each guess at an unknown name is notified.
const loud = `
[[threshold]]
name = "break-in"
per = "account"
signals = { SuccessAfterFailures = 1 }
score = 1
within = "1h"
playbook = "compromise"

[[threshold]]
name = "nobody"
per = "source"
signals = { InvalidAccountID = 1 }
score = 1
within = "1h"
playbook = "tell"

[[playbook]]
name = "compromise"
steps = ["ban", "hangup", "rotate", "remove-registrations", "notify", "exec"]

[[playbook]]
name = "tell"
steps = ["notify"]
`

// theft breaks in on 1002 while it has a call up, and returns how long it took to
// contain that, by the kernel and the PBX.
func (b *booth) theft() time.Duration {
	b.t.Helper()
	const thief = "192.0.2.66"
	before := b.pbx.Secret("1002")
	b.pbx.Raw("security", guesses("1002", "192.0.2.70", 3)+guesses("1002", "192.0.2.71", 3))
	b.pbx.AddChannel(amitest.Channel{Account: "1002", State: 6, CallerNum: "1002", Exten: "00442079460001"})
	start := time.Now()
	b.pbx.Raw("security", rightGuess("1002", thief))
	b.wait("the containment", func() bool {
		return len(b.pbx.Channels()) == 0 && b.pbx.Secret("1002") != before && b.dropped(thief+"/32")
	})
	return time.Since(start)
}

// Receivers that accept a connection and never answer, and a program that never
// ends, do not delay containment: it takes as long as without them.
func TestDeadReceiversDelayNothing(t *testing.T) {
	t.Parallel()
	tell := fmt.Sprintf("[notify]\nwebhook = \"http://%%s/\"\n[notify.mail]\nserver = %%q\nsecurity = \"none\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n[exec]\ncommand = [%q]\n", program(t, "sleep 60"))
	var took [2]time.Duration
	for i, name := range []string{"no receivers", "dead receivers"} {
		t.Run(name, func(t *testing.T) {
			settings := strings.Replace(loud, `, "notify", "exec"`, "", 1)
			if i == 1 {
				settings = loud
			}
			b := newBooth(t, "")
			if i == 1 {
				b.append(fmt.Sprintf(tell, deadEnd(t), deadEnd(t)))
			}
			b.append(settings)
			b.start()
			for n := range 20 * i { // fill the queues
				b.pbx.Raw("security", security("InvalidAccountID", "x", fmt.Sprint("n", n), fmt.Sprintf("203.0.113.%d", n), ""))
			}
			took[i] = b.theft()
		})
	}
	t.Logf("contained after %s without receivers, after %s with dead ones", took[0].Round(time.Millisecond), took[1].Round(time.Millisecond))
	if took[1] > 10*took[0]+time.Second {
		t.Errorf("contained after %s without receivers, after %s with dead ones", took[0], took[1])
	}
}

// append adds to the configuration.
func (b *booth) append(text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.config(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		b.t.Fatal(err)
	}
}

// A break-in is notified by mail and syslog with the templates' text, and passed to a
// program as JSON; many messages of a kind come in one digest; what an attacker sends
// never makes a line of its own; a reload changes the receivers.
func TestNotifications(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	mail, next := newPostbox(t), newPostbox(t)
	socket := filepath.Join(b.dir, "log")
	syslog, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer syslog.Close()
	script := program(t, `cat > "$1"; env > "$1.env"; printf 'done\033[2J\n'`)
	notify := fmt.Sprintf(`
[notify]
syslog = %q
burst = 2
digest = "4s"
subject = "{{.Title}} at {{.Host}}"
text = "{{.Account}} from {{.Source}}\n{{range .Steps}}{{.Step}} {{.State}}: {{.Detail}}\n{{end}}"
[notify.mail]
server = %%q
security = "none"
from = "a@example.org"
to = ["b@example.org"]
[exec]
command = [%q, %q]
`, socket, script, filepath.Join(b.dir, "seen"))
	plain, err := os.ReadFile(b.config())
	if err != nil {
		t.Fatal(err)
	}
	b.append(fmt.Sprintf(notify, mail.address) + loud)

	// check tests the receivers; with --notify it sends a message.
	said := b.run("check", "-c", b.config())
	if !strings.Contains(said.out, "e-mail b@example.org answers") || !strings.Contains(said.out, "syslog "+socket+" answers") || len(mail.got()) > 0 {
		t.Errorf("check: %s; %d letters", said.out, len(mail.got()))
	}
	if said := b.run("check", "--notify", "-c", b.config()); strings.Count(said.out, "took a sample of an incident, of an alarm and of a digest") != 2 || len(mail.got()) != 3 || !strings.Contains(mail.got()[1], "Subject: FYI: This is a test (") {
		t.Errorf("check --notify: %s; letters %q", said.out, mail.got())
	}
	if line := readLine(t, syslog); !strings.Contains(line, `threshold="sample"`) {
		t.Errorf("syslog got %q", line)
	}
	if line := readLine(t, syslog); !strings.Contains(line, "test: This is a test of `tollwarden check --notify`") {
		t.Errorf("syslog got %q", line)
	}

	b.start()
	// Ten of a kind with hostile names: two at once, the others in one digest.
	for n := range 10 {
		b.pbx.Raw("security", security("InvalidAccountID", "evil\x1b]0;x", fmt.Sprint("n", n), fmt.Sprintf("203.0.113.%d", n), ""))
	}
	b.wait("the digest", func() bool { return len(mail.got()) == 6 })
	if digest := mail.got()[5]; !strings.Contains(digest, "Subject: FYI: 8 more messages (") || strings.Count(digest, "Attack from 203.0.113.") != 16 {
		t.Errorf("the digest is\n%s", digest)
	}
	// The owner's address is known.
	b.pbx.Raw("security", rightGuess("1002", "198.51.100.12"))
	b.theft()
	b.wait("the letter", func() bool { return len(mail.got()) == 7 })
	letter := mail.got()[6]
	for _, want := range []string{"Subject: Break-in on extension 1002 at ", "\r\n\r\n1002 from 192.0.2.66\r\nban done: until ", "\r\nhangup done: 1 channel ended", "its phones that need the new password were last seen at 198.51.100.12"} {
		if !strings.Contains(letter, want) {
			t.Errorf("the letter lacks %q:\n%s", want, letter)
		}
	}
	var line string
	for range 12 { // the first is the sample of a digest
		line = readLine(t, syslog)
	}
	if !regexp.MustCompile(`^<84>.{15} tollwarden\[\d+\]: incident=11 threshold="break-in" key="account 1002" account="1002" source="192.0.2.66" mode=enforce steps="ban done, hangup done, rotate done`).MatchString(line) {
		t.Errorf("syslog got %q", line)
	}
	b.handedOver(filepath.Join(b.dir, "seen"))

	if all := strings.Join(mail.got(), ""); strings.ContainsAny(all, "\x1b\x00") {
		t.Error("a letter holds control characters")
	}

	// Another mail server, without a restart.
	if err := os.WriteFile(b.config(), append(plain, fmt.Sprintf(notify, next.address)+loud...), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("reload", "--socket", b.socket())
	b.pbx.Raw("security", security("InvalidAccountID", "y", "n99", "203.0.113.99", ""))
	b.wait("the other server's letter", func() bool { return len(next.got()) == 1 })
	if s, err := b.client().Status(t.Context()); err != nil || s.Counters["messages_delivered"] == 0 || s.Counters["messages_lost"] != 0 {
		t.Errorf("counters %v, %v", s.Counters, err)
	}
}

// Messages that were pending when the daemon ended are sent after its next start:
// those to a dead receiver as well as those of a digest that was not due.
func TestPendingNotificationsSurviveARestart(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	plain, err := os.ReadFile(b.config())
	if err != nil {
		t.Fatal(err)
	}
	config := func(server, within string) {
		text := fmt.Sprintf("%s[notify]\nwithin = %q\nburst = 1\n[notify.mail]\nserver = %q\nsecurity = \"none\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n[exec]\ncommand = [\"/bin/true\"]\n%s", plain, within, server, loud)
		if err := os.WriteFile(b.config(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config(deadEnd(t), "300ms")
	if said := b.run("check", "-c", b.config()); said.code != 1 || !strings.Contains(said.out, "FAILED   receivers: e-mail b@example.org") || !strings.Contains(said.out, "no answer within 300ms") {
		t.Errorf("check with a dead mail server: exit %d, %s", said.code, said.out)
	}
	b.start()
	for n := range 2 {
		b.pbx.Raw("security", security("InvalidAccountID", "x", fmt.Sprint("n", n), fmt.Sprintf("203.0.113.%d", n), ""))
	}
	incident := func(id int64) string {
		i, err := b.client().Incident(t.Context(), id)
		if err != nil {
			return ""
		}
		return string(i.Steps[0].State) + " " + i.Steps[0].Detail
	}
	b.wait("the receiver's failure", func() bool {
		return strings.HasPrefix(incident(1), "intended e-mail b@example.org: retrying: no answer within 300ms") && strings.HasPrefix(incident(2), "intended e-mail b@example.org: ")
	})
	if s, err := b.client().Status(t.Context()); err != nil || s.Counters["messages_pending"] != 2 {
		t.Errorf("counters %v, %v", s.Counters, err)
	}
	b.stop(syscall.SIGTERM)
	mail := newPostbox(t)
	config(mail.address, "30s")
	b.start()
	b.wait("the letter", func() bool { return len(mail.got()) == 1 && incident(1) == "done e-mail b@example.org: delivered" })
	if got := incident(2); got != "intended e-mail b@example.org: will be in the next digest" {
		t.Errorf("incident 2 is %q", got)
	}
}

func readLine(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 8192)
	n, err := conn.Read(line)
	if err != nil {
		t.Fatalf("syslog: %v", err)
	}
	return string(line[:n])
}

// handedOver checks what the program of the exec step got: the incident, and nothing
// of the daemon's environment.
func (b *booth) handedOver(file string) {
	b.t.Helper()
	step := func() incident.Step {
		i, err := b.client().Incident(b.t.Context(), 11)
		if err != nil {
			b.t.Fatal(err)
		}
		return i.Steps[len(i.Steps)-1]
	}
	b.wait("the program's end", func() bool { return step().State == "done" })
	if s := step(); s.Step != "exec" || s.Detail != `succeeded; output: "done\x1b[2J"` {
		b.t.Errorf("exec is %+v", s)
	}
	var got, want map[string]any
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &got) != nil {
		b.t.Fatalf("the program got %q, %v", data, err)
	}
	if err := json.Unmarshal([]byte(b.must("incident", "11", "--json", "--socket", b.socket())), &want); err != nil {
		b.t.Fatal(err)
	}
	for key := range got {
		if _, known := want[key]; !known || key == "id" && got[key] != want[key] {
			b.t.Errorf("the program got %s = %v, the command prints %v", key, got[key], want[key])
		}
	}
	if len(got) < 10 {
		b.t.Errorf("the program got %s", data)
	}
	env, err := os.ReadFile(file + ".env")
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(env)) {
		if name, _, _ := strings.Cut(line, "="); !slices.Contains([]string{"PATH", "PWD", "SHLVL", "_"}, name) {
			b.t.Errorf("the program's environment holds %s", line)
		}
	}
}

// After a rotation the owner's phone keeps failing with the old secret: the message
// names the phone to fix, and its address is not banned; the same failures from
// anywhere else are stopped: the address is banned or, if the guesses prove theirs,
// only the flow, which may be another phone of the owner's. A dead mail server
// delays neither the containment nor the other receiver.
func TestRightfulOwnerAfterARotation(t *testing.T) {
	t.Parallel()
	const home = "198.51.100.11"
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		owner := addPhone(t, addHost(t, l, "desk", home), "1002")
		register(t, owner)
		m := newMailbox(t, l)
		dead, err := l.PBX.ListenTCP(lab.Loopback)
		if err != nil {
			t.Fatal(err)
		}
		silence(t, dead)
		w := guardWith(t, l, fmt.Sprintf("[notify]\nwebhook = %q\n[notify.mail]\nserver = %q\nsecurity = \"none\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n", m.url, dead.Addr())+shortRules(10))
		register(t, owner)
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		for i := range 5 {
			thief.SetPassword(fmt.Sprintf("guess-%d", i))
			_ = thief.Register(soon(t)) // refused
		}
		thief.SetPassword(lab.Passwords["1002"])
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_ = thief.Register(ctx) // right, and dropped before the answer or after it
			if l.Version == lab.Asterisk16 {
				callNowhere(t, thief) // only that shows that it is a thief
			}
		}()

		letter := m.incident(t, "break-in")
		cancel()
		<-answered
		heard := time.Since(start)
		if heard > 8*time.Second {
			t.Errorf("notified %s after the break-in", heard)
		}
		w.contained(t, thief)
		rotate := letter.Steps[slices.IndexFunc(letter.Steps, func(s incident.Step) bool { return s.Step == "rotate" })]
		if want := "its phones that need the new password were last seen at " + home; rotate.Target != "1002" || rotate.State != "done" || !strings.Contains(rotate.Detail, want) || strings.Contains(rotate.Detail, guesserAddress) {
			t.Errorf("the message says of the rotation: %+v", rotate)
		}
		if !strings.Contains(rotate.Detail, `(User-Agent "Lab phone")`) {
			t.Errorf("the message does not name the phone: %s", rotate.Detail)
		}

		const tries = 30
		for range tries {
			if err := owner.Register(soon(t)); err == nil {
				t.Fatal("the old secret still works")
			}
		}
		intruder := addPhone(t, addHost(t, l, "intruder", "203.0.113.50"), "1002")
		stopped := func() bool {
			return slices.ContainsFunc(w.incidents(), func(i incident.Incident) bool {
				return slices.ContainsFunc(i.Steps, func(s incident.Step) bool {
					return s.Step == "ban" && s.State == "done" && (s.Target == "203.0.113.50" || s.Target == intruder.Source().String())
				})
			})
		}
		for range tries {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // nothing answers who is dropped
			if intruder.Register(ctx) == nil {
				t.Fatal("the old secret still works")
			}
			cancel()
			if stopped() {
				break
			}
		}
		w.wait("the intruder to be dropped", 5*time.Second, stopped)
		if w.dropped(home + "/32") {
			t.Error("the owner is dropped")
		}
		s, err := w.client().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Counters["grace_period_failures"]; n < tries {
			t.Errorf("%d failures of the owner were forgiven, want %d", n, tries)
		}
		t.Logf("notified within %s of the right guess; %d failures of the owner scored nothing; the message says: %s", heard.Round(time.Millisecond), s.Counters["grace_period_failures"], rotate.Detail)
	})
}

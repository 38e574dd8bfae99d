package setup

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/responder/control"
)

// machine is the programs of a made-up machine: what they print, and which were run.
type machine struct {
	mu      sync.Mutex
	prints  map[string]string // by the beginning of the command
	refuses map[string]bool
	ran     []string
	onRun   func(command string)
}

func (m *machine) run(_ context.Context, name string, args ...string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	command := strings.Join(append([]string{name}, args...), " ")
	m.ran = append(m.ran, command)
	if m.onRun != nil {
		m.onRun(command)
	}
	for prefix, out := range m.prints {
		if strings.HasPrefix(command, prefix) {
			return []byte(out), nil
		}
	}
	for prefix := range m.refuses {
		if strings.HasPrefix(command, prefix) {
			return []byte("Unable to connect\n"), errors.New("exit status 1")
		}
	}
	if name == "fail2ban-client" {
		return nil, errors.New("no such program")
	}
	return nil, nil
}

func (m *machine) did(command string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.ran {
		if strings.HasPrefix(c, command) {
			return true
		}
	}
	return false
}

// newSetup is a setup beside a PBX that has the user already, as if it had reloaded.
func newSetup(t *testing.T, general string) (s *Setup, out *strings.Builder) {
	t.Helper()
	pbx, err := amitest.Start(amitest.Options{
		AuthDelay: time.Millisecond, Users: []amitest.User{{Name: managerUser, Secret: "made-up", Read: "security,call", Write: "config,system,command"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pbx.Close() })
	_, port, _ := strings.Cut(pbx.Address(), ":")
	out = &strings.Builder{}
	s = &Setup{
		In: strings.NewReader(""), Out: out, Agreed: true, Asterisk: t.TempDir(), Folder: filepath.Join(t.TempDir(), "tollwarden"), Secret: "made-up",
		Run: (&machine{}).run, Proc: t.TempDir(), Root: t.TempDir(), Given: Answers{"offices": nil}, Within: 5 * time.Second,
	}
	put(t, filepath.Join(s.Asterisk, "manager.conf"), "[general]\nenabled = yes\nport = "+port+"\n"+general)
	return s, out
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tree is every file of a folder with its text.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files[path] = text(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The whole way without a question: everything is written, and works.
func TestSetUp(t *testing.T) {
	s, out := newSetup(t, "")
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"The login to Asterisk works", "Start it with: tollwarden run -c " + s.config()} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), s.Secret) {
		t.Error("it prints the secret")
	}
	if got := text(t, filepath.Join(s.Asterisk, "manager.conf")); !strings.Contains(got, "[tollwarden]\nsecret = made-up\n") || !strings.HasPrefix(got, "[general]") {
		t.Errorf("manager.conf: %s", got)
	}
	if got := text(t, s.config()); !strings.Contains(got, "\nmode = \"enforce\"\n") || !strings.Contains(got, `log = "/var/log/asterisk/tollwarden"`) {
		t.Errorf("the configuration: %s", got)
	}
	if got := text(t, filepath.Join(s.Asterisk, "logger.conf")); got != "[logfiles]\ntollwarden => notice,warning,error,security\n" {
		t.Errorf("logger.conf: %s", got)
	}
	if info, err := os.Stat(s.secretFile()); err != nil || info.Mode().Perm() != 0o600 || text(t, s.secretFile()) != "made-up\n" {
		t.Errorf("the secret's file: %v, %v", info, err)
	}
}

// Only yes agrees, what is neither yes nor no is asked again, and what was not agreed to is not
// written.
func TestOnlyYesAgrees(t *testing.T) {
	enters := strings.Repeat("\n", 11)
	for answer, agreed := range map[string]bool{"": false, enters: false, enters + "n\n": false, enters + "maybe\n": false, enters + "\n": false, enters + "\ny\n": true, enters + "maybe\nn\ny\n": false, enters + "y\n": true, enters + " YES \n": true, enters + "y": true} {
		s, out := newSetup(t, "")
		s.Agreed, s.In = false, strings.NewReader(answer)
		if err := s.Go(t.Context()); err != nil {
			t.Errorf("answer %q: %v", answer, err)
		}
		if exists(s.config()) != agreed || strings.Contains(out.String(), "Nothing was written.") == agreed {
			t.Errorf("answer %q: written %t\n%s", answer, exists(s.config()), out)
		}
	}
}

// The interview on a site with everything, played with typed answers.
func TestInterview(t *testing.T) {
	s, out := newSetup(t, "")
	m := &machine{prints: map[string]string{
		"fail2ban-client status":          "Status\n|- Number of jail:\t3\n`- Jail list:\tasterisk, pbx-gui, sshd\n",
		"fail2ban-client get pbx-gui":     "`- /var/log/asterisk/freepbx_security.log\n",
		"fail2ban-client get sshd":        "Current monitored log file(s):\n`- /var/log/auth.log\n",
		"fail2ban-client reload":          "OK\n",
		"asterisk -rx database show reg":  "/registrar/contact/1001;@abc  : {\"via_addr\":\"198.51.100.7\",\"user_agent\":\"Snom\\u001b[2J\",\"expiration_time\":\"99999999999\"}\n/registrar/contact/1002;@abd : {\"via_addr\":\"203.0.113.9\",\"expiration_time\":\"99999999999\"}\n2 results found.\n",
		"asterisk -rx database show SIP/": "/SIP/Registry/1003 : 198.51.100.8:5060:3600:1003:sip:1003@10.0.0.3:5060\n",
	}}
	s.Run, s.Agreed, s.Given = m.run, false, Answers{}
	if err := os.MkdirAll(s.path("/etc/fail2ban/jail.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.In = strings.NewReader(strings.Join([]string{
		"1009",                              // not ours: nobody
		"1002",                              // not ours
		"203.0.113.0/24, 198.51.100.0/24",   // where the thief is
		"198.51.100.0/24, home.example.org", // offices
		"Britain", "gb", "", "Mon-Fri 5pm", "Mon-Fri 09:00-17:00", "trunk-*",
		"ops@example.org", "mail.example.org:25", "pbx@example.org", "https://chat.example.org/x",
		"", "", "", // log, ports
		"off", "watch", "", "y", "",
	}, "\n"))
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"extension 1001 from 198.51.100.7 (Snom[2J)", "extension 1003 from 198.51.100.8", `"1009": no such extension or IP address is signed in`,
		"203.0.113.0/24: extension 1002 is signed in from there", "is not the code of a country: want two letters", "want days and times", "fail2ban runs and watches Asterisk, too: asterisk.",
		"tollwarden rotate 1002 --expire", "tollwarden ban 203.0.113.9 --for 30d",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	config := text(t, s.config())
	for _, want := range []string{
		`mode = "observe"`, `allow = ["127.0.0.0/8", "::1/128", "198.51.100.0/24", "home.example.org"]`, `country = "GB"`, `hours = ["Mon-Fri 09:00-17:00"]`,
		`carriers = ["trunk-*"]`, `webhook = "https://chat.example.org/x"`, `server = "mail.example.org:25"`, `to = ["ops@example.org"]`, `from = "pbx@example.org"`,
	} {
		if !strings.Contains(config, want+"\n") {
			t.Errorf("the configuration lacks %s:\n%s", want, config)
		}
	}
	if got := text(t, s.path(jailsFile)); !strings.Contains(got, "\n[asterisk]\nenabled = false\n") || strings.Contains(got, "sshd") || !m.did("fail2ban-client reload") {
		t.Errorf("fail2ban: %s", got)
	}
}

// A second run shows what is in force and changes that alone.
func TestSecondRun(t *testing.T) {
	s, out := newSetup(t, "")
	s.Given = Answers{"offices": {"198.51.100.7"}, "country": {"GB"}, "mail_to": {"a@example.org"}, "mail_server": {"127.0.0.1:25"}, "mail_from": {"b@example.org"}}
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mine := strings.Replace(text(t, s.config()), `country = "GB"`, `country = "GB" # head office`, 1) + "\n# mine\n[ledger]\nkeep = \"90d\"\n"
	put(t, s.config(), mine)
	before := tree(t, s.Asterisk)

	out.Reset()
	s.Given, s.Secret = Answers{}, "another"
	if err := s.Go(t.Context()); err != nil || !strings.Contains(out.String(), "No setting has changed.") || text(t, s.config()) != mine {
		t.Fatalf("nothing new: %v\n%s\n%s", err, out, text(t, s.config()))
	}
	out.Reset()
	s.Given = Answers{"country": {"DE"}, "webhook": {"https://x.example.org"}, "mail_to": nil, "mode": {"watch"}}
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := text(t, s.config())
	for _, want := range []string{"country = \"DE\" # head office\n", "# mine\n[ledger]\nkeep = \"90d\"\n", `webhook = "https://x.example.org"`, `mode = "observe"`, `"198.51.100.7"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "a@example.org") || !strings.Contains(out.String(), "+ country = \"DE\" # head office") {
		t.Errorf("%s\n%s", got, out)
	}
	for path, text := range tree(t, s.Asterisk) {
		if before[path] != text {
			t.Errorf("%s changed: %s", path, text)
		}
	}
	put(t, s.config(), "calls = { country = \"GB\" }\n"+strings.Replace(mine, "[calls]\ncountry = \"GB\" # head office\n", "", 1))
	if err := s.Go(t.Context()); err == nil || !strings.Contains(err.Error(), "line 1: calls is written in one line") {
		t.Errorf("what cannot be changed: %v", err)
	}
}

// What is in the way is named, with what to do, before anything is written.
func TestWhatIsInTheWay(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*Setup)
		want    string
	}{
		"no Asterisk": {func(s *Setup) { os.Remove(filepath.Join(s.Asterisk, "manager.conf")) }, "--asterisk names"},
		"a user already": {func(s *Setup) {
			path := filepath.Join(s.Asterisk, "manager.conf")
			put(t, path, text(t, path)+"[tollwarden]\n")
		}, "already has a section [tollwarden]"},
		"the interface stays off": {func(s *Setup) {
			path := filepath.Join(s.Asterisk, "manager.conf")
			put(t, path, text(t, path)+"[general](+)\nenabled = no\n")
			s.Given["manager"] = []string{"no"}
		}, "the manager interface is off"},
		"a broken configuration": {func(s *Setup) { put(t, s.config(), "x") }, "mend it first"},
		"a secret":               {func(s *Setup) { put(t, s.secretFile(), "x") }, "move it away first"},
		"a name of a country":    {func(s *Setup) { s.Given["country"] = []string{"uk"} }, "country: \"UK\": the code of the United Kingdom is \"GB\""},
		"no port of a server": {func(s *Setup) {
			s.Given["mail_to"], s.Given["mail_server"] = []string{"a@example.org"}, []string{"mail.example.org"}
		}, "mail_server: \"mail.example.org\": want host:port"},
		"a wrong answer": {func(s *Setup) { s.Given["country"] = []string{"Britain"} }, "country: \"BRITAIN\" is not the code of a country"},
		"no mail server": {func(s *Setup) { s.Given["mail_to"] = []string{"a@example.org"}; s.Given["mail_server"] = nil }, "mail_server: missing"},
		"no reload": {func(s *Setup) {
			s.Run = (&machine{refuses: map[string]bool{"asterisk -rx manager reload": true}}).run
		}, "Asterisk did not reload it: run the command above"},
	} {
		s, out := newSetup(t, "")
		tt.prepare(s)
		if err := s.Go(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q\n%s", name, err, tt.want, out)
		}
	}
}

// chan_sip needs one more class.
func TestClassesForChanSIP(t *testing.T) {
	f := &site{etc: t.TempDir()}
	if got := strings.Join(f.writes(), ","); got != "config,system" {
		t.Errorf("classes %s", got)
	}
	put(t, filepath.Join(f.etc, "sip.conf"), "")
	if got := strings.Join(f.writes(), ","); got != "config,system,command" {
		t.Errorf("classes beside chan_sip %s", got)
	}
}

// A service is started, and the proof says what it saw.
func TestServiceIsStartedAndProven(t *testing.T) {
	healthy := []control.Check{{Name: "events", OK: true}, {Name: "kernel", OK: true}, {Name: "steps", Detail: "rotating 1001 would fail"}}
	seen := control.Proof{User: "tollwarden-canary-X", From: netip.MustParseAddr("127.0.0.1"), To: netip.MustParseAddrPort("127.0.0.1:5060"), Answer: 401, Took: 3 * time.Millisecond, Seen: true}
	for name, tt := range map[string]struct {
		mode  string
		check []control.Check
		proof control.Proof
		want  []string
		fails string
	}{
		"protected":    {"enforce", healthy, seen, []string{"as tollwarden-canary-X, from 127.0.0.1, and saw that attempt 3ms later", "YOU ARE PROTECTED", "Also to be seen to: countermeasures: rotating"}, ""},
		"watching":     {"observe", healthy, seen, []string{"ATTACKS ARE SEEN, BUT NOT STOPPED"}, ""},
		"no SIP":       {"enforce", healthy, control.Proof{Why: "no answer"}, []string{"Over SIP nothing could be tried: no answer", "RUNNING, BUT NOT TRIED OVER SIP: the reason is above, and `tollwarden setup --prove` tries again"}, ""},
		"guests":       {"enforce", healthy, control.Proof{To: seen.To, Answer: 404, Why: "no event"}, []string{"asks unknown extensions for no password", "RUNNING, BUT NOT TRIED OVER SIP"}, ""},
		"no kernel":    {"enforce", []control.Check{{Name: "events", OK: true}, {Name: "kernel", Detail: "no room"}}, seen, []string{"Missing: kernel: no room\n  To fix it: `tollwarden check`"}, "NOT PROTECTED YET"},
		"deaf":         {"enforce", healthy, control.Proof{To: seen.To, Answer: 401, Why: "no event named it"}, []string{"Missing: no event named it\n  To fix it:"}, "NOT PROTECTED YET"},
		"did not come": {"", nil, seen, nil, "the daemon did not start"},
	} {
		s, out := newSetup(t, "")
		s.Within = time.Second
		put(t, s.path("/run/systemd/system/x"), "")
		put(t, s.path(units[0]), "")
		m := &machine{}
		s.Run = m.run
		socket := filepath.Join(t.TempDir(), "s")
		m.onRun = func(command string) {
			if command == "asterisk -rx manager reload" { // the configuration is there by then
				put(t, s.config(), "socket = \""+socket+"\"\n"+text(t, s.config()))
			}
			if command != "systemctl enable --now tollwarden.service" || tt.mode == "" {
				return
			}
			server, err := control.Listen(socket, fakeDaemon{status: control.Status{Mode: tt.mode, Checks: tt.check}, proof: tt.proof})
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _ = server.Serve(t.Context()) }()
		}
		err := s.Go(t.Context())
		if tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, out)
			}
		}
		if strings.Contains(out.String(), "YOU ARE PROTECTED") && !tt.proof.Seen {
			t.Errorf("%s: the headline says more than was tried:\n%s", name, out)
		}
	}
}

type fakeDaemon struct {
	control.Daemon
	status control.Status
	proof  control.Proof
}

func (d fakeDaemon) Status() control.Status { return d.status }

func (d fakeDaemon) Prove(context.Context, uint32) (control.Proof, error) { return d.proof, nil }

// Small letters do for a country.
func TestCountryInSmallLetters(t *testing.T) {
	for _, q := range questions {
		if q.key != "country" {
			continue
		}
		if got, err := q.answerOf(&site{}, Answers{}, []string{"gb"}); err != nil || len(got) != 1 || got[0] != "GB" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

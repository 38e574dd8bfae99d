package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/binds"
)

// load parses a configuration for the PBX at address, with these settings at its
// end.
func load(t *testing.T, address, text string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	cfg, err := config.Parse("t.toml", fmt.Appendf(nil,
		"data = %q\nsocket = %q\n[asterisk]\naddress = %q\nusername = \"tollwarden\"\nsecret = \"s\"\nconfig_dir = %q\n%s", dir, dir+"/s", address, dir, text),
		config.Env{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// text is what a check prints.
func text(results []Result) string {
	var out strings.Builder
	for _, r := range results {
		r.print(&out)
	}
	return out.String()
}

// What the configuration does, in words.
func TestExplain(t *testing.T) {
	cfg := load(t, "192.0.2.1:5038", `[firewall]
allow = ["198.51.100.0/24"]
[notify]
webhook = "https://example.org/hook"
[exec]
command = ["/usr/local/bin/hook", "--token", "secret"]
[rotate]
recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
[[playbook]]
name = "block"
steps = ["ban", "rotate", "notify", "exec"]
[[threshold]]
name = "guessing"
per = "source"
signals = { InvalidPassword = 1 }
score = 3
within = "1h"
playbook = "block"
`)
	path := filepath.Join(cfg.Data, "allow")
	if err := os.WriteFile(path, []byte("203.0.113.7\n203.0.113.8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	allowed, err := config.LoadAllowFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	Explain(&out, cfg, allowed)
	ExplainInternals(&out, cfg)
	for _, want := range []string{
		`Asterisk at 192.0.2.1:5038 as "tollwarden"`, "Never banned: 198.51.100.0/24, 192.0.2.1/32, and 2 more in " + path,
		"3 wrong passwords from one IP address within 1h", "the address is blocked, its password is",
		"guessing: 3 points of one IP address within 1h from InvalidPassword (1): ban, rotate, notify, exec.",
		"A ban lasts 15m, then 4h", "encrypted to age1", "notify: webhook", "exec: /usr/local/bin/hook, for at most",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "--token") {
		t.Error("it shows the command's arguments")
	}
	cfg.Mode, cfg.Notify = config.Observe, config.Notify{}
	out.Reset()
	Explain(&out, cfg, &config.AllowFile{})
	ExplainInternals(&out, cfg)
	for _, want := range []string{"OBSERVING: the following is decided and recorded, and nothing is done", "notify: no messages are sent"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &out)
		}
	}
}

// asteriskSays is what the proofs that need a login print.
func asteriskSays(t *testing.T, cfg *config.Config) string {
	t.Helper()
	var results []Result
	asterisk(t.Context(), cfg, Options{}, func(r Result) { results = append(results, r) })
	return text(results)
}

// What Asterisk lets the user do, and see.
func TestAsterisk(t *testing.T) {
	const login = "[general]\nenabled = yes\n[deaf]\nread = call\n[blind]\nread = security\n"
	pbx, err := amitest.Start(amitest.Options{AuthDelay: time.Millisecond, Files: map[string]string{"manager.conf": login}, Users: []amitest.User{
		{Name: "tollwarden", Secret: "s", Read: "security,call", Write: "system,config,command,call,reporting"},
		{Name: "watcher", Secret: "s", Read: "security,call", Write: "none"},
		{Name: "deaf", Secret: "s", Read: "call", Write: "system,config"},
		{Name: "blind", Secret: "s", Read: "security", Write: "system,config"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer pbx.Close()
	for name, tt := range map[string]struct {
		user, secret string
		says         []string
	}{
		"all is well":     {"tollwarden", "s", []string{"the user may carry out every step of the playbooks", "ok       security events: a refused login"}},
		"no privileges":   {"watcher", "s", []string{"FAILED   privileges: the user lacks privileges that the playbooks need", "missing: hangup needs Hangup", "fix: sed -i", "write = "}},
		"wrong secret":    {"tollwarden", "x", []string{"FAILED   login: "}},
		"read = call":     {"deaf", "s", []string{"FAILED   security events: no security event arrives", `a read = `, "asterisk -rx 'manager reload'"}},
		"read = security": {"blind", "s", []string{"FAILED   call events: no call event would arrive", `a read = `, "asterisk -rx 'manager reload'"}},
	} {
		cfg := load(t, pbx.Address(), "")
		cfg.Asterisk.Username, cfg.Asterisk.Secret = tt.user, config.Secret(tt.secret)
		got := asteriskSays(t, cfg)
		for _, want := range tt.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s: it lacks %q:\n%s", name, want, got)
			}
		}
	}
	pbx.Down()
	if got := asteriskSays(t, load(t, pbx.Address(), "")); !strings.Contains(got, "connection refused") || !strings.Contains(got, "fix: systemctl start asterisk") {
		t.Errorf("without Asterisk: %q", got)
	}
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages")
	for name, tt := range map[string]struct{ text, want string }{
		"none":       {"", "Set asterisk.log to a file"},
		"missing":    {"-", "FAILED   : open log"},
		"foreign":    {"hello\nworld\n", "2 of its last 2 lines are not in a form of Asterisk"},
		"an attempt": {"[2026-11-22 12:00:00] NOTICE[1] manager.c: 203.0.113.7 failed to authenticate as 'admin'\n", "1 of its last 1 lines show attempts"},
	} {
		cfg := load(t, "127.0.0.1:5038", "")
		if tt.text != "" {
			cfg.Asterisk.Log = path
		}
		if len(tt.text) > 1 {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			_ = os.Remove(path)
		}
		if got := text(readLog(cfg, Options{})); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Why nothing arrives in the log, as far as logger.conf says, and what helps.
func TestNotWritten(t *testing.T) {
	for name, tt := range map[string]struct {
		log, logger string
		says, fix   string
	}{
		"without notices": {"/var/log/asterisk/messages", "[logfiles]\nmessages => warning,error\n", "sends only warning,error there", "a messages = warning,error,notice"},
		"another file":    {"/var/log/asterisk/messages", "[logfiles]\nfull => notice,warning\n", "but /var/log/asterisk/full", `a log = "/var/log/asterisk/full"`},
		"moved away":      {"/var/log/asterisk/full", "[logfiles]\nfull => [json]notice,warning\n", "moved away", "asterisk -rx 'logger reload'"},
		"no notices":      {"/var/log/asterisk/messages", "[logfiles]\nfull => error\n", "no file with notices", "a messages = notice,warning,error"},
	} {
		cfg := load(t, "127.0.0.1:5038", "")
		cfg.Asterisk.Log = tt.log
		if err := os.WriteFile(filepath.Join(cfg.Asterisk.ConfigDir, "logger.conf"), []byte(tt.logger), 0o600); err != nil {
			t.Fatal(err)
		}
		r := notWritten(cfg, Options{}, "nothing")
		if !strings.Contains(r.Text, tt.says) || !strings.Contains(r.Fix, tt.fix) {
			t.Errorf("%s: %q, %q", name, r.Text, r.Fix)
		}
	}
}

// Receivers are reached, with a message or without.
func TestReceivers(t *testing.T) {
	messages := 0
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			messages++
		}
	}))
	defer hook.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct {
		name, settings string
		send           bool
		want           string
		messages       int
	}{
		{"none", "", false, "none is set", 0},
		{"tried", "[notify]\nwebhook = \"" + hook.URL + "\"\n", false, "answers; nothing was sent", 0},
		{"sent", "[notify]\nwebhook = \"" + hook.URL + "\"\n", true, "took a sample of an incident, of an alarm and of a digest", 3},
		{"silent", "[notify]\nwithin = \"100ms\"\nwebhook = \"http://" + silent.Addr().String() + "/\"\n", true, "FAILED   : webhook", 0},
		{"no certificate", "[notify.mail]\nserver = \"localhost:25\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\nca = \"/nowhere.pem\"\n", false, "notify.mail.ca", 0},
	} {
		messages = 0
		if got := text(receivers(tt.send)(t.Context(), load(t, "127.0.0.1:5038", tt.settings))); !strings.Contains(got, tt.want) || messages != tt.messages {
			t.Errorf("%s: %q and %d messages, want %q", tt.name, got, messages, tt.want)
		}
	}
}

// The whole check counts what failed, and shows old names of keys.
func TestRun(t *testing.T) {
	cfg := load(t, "127.0.0.1:1", "log = \"/nowhere/messages\"\n[bans]\nclaimed = \"5m\"\n")
	var out strings.Builder
	err := Run(t.Context(), &out, cfg, Options{})
	if err == nil || !strings.Contains(err.Error(), "checks failed") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"warning  configuration: t.toml: bans.claimed is now bans.spoofable", "fix: sed -i ", "s/claimed/spoofable/", "\nok       files:", "\nFAILED   login:", "\nFAILED   log:", "\nwarning  receivers: none is set", " FAILED: run the command under each"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &out)
		}
	}
	if err := os.WriteFile(filepath.Join(cfg.Data, "allow"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), &out, cfg, Options{}); err == nil || !strings.Contains(err.Error(), "allow:1") {
		t.Errorf("a mistyped allow file: %v", err)
	}
}

// asteriskAt is an Asterisk that listens on some ports.
type asteriskAt struct {
	list []binds.Bind
	tcp  []binds.Bind
	err  error
}

func (a asteriskAt) Binds(context.Context) (binds.Answer, error) {
	return binds.Answer{Started: "monday", Binds: a.list, TCP: a.tcp}, a.err
}

func TestListPorts(t *testing.T) {
	var many []binds.Bind
	for port := range uint16(70) {
		many = append(many, binds.Bind{Port: 6000 + port, Driver: binds.PJSIP})
	}
	for name, tt := range map[string]struct {
		asterisk asteriskAt
		says     []string
	}{
		"ports":   {asteriskAt{list: []binds.Bind{{Port: 5160, Driver: binds.ChanSIP}, {Port: 4569, Driver: binds.IAX2}}}, []string{"on UDP port 4569 (IAX2), 5160 (chan_sip): bans close"}},
		"TCP":     {asteriskAt{list: many[:1], tcp: []binds.Bind{{Port: 8089, Driver: binds.HTTP}, {Port: 5038, Driver: binds.AMI}}}, []string{"on UDP port 6000", "on TCP port 5038 (AMI), 8089 (HTTP): a confirmed"}},
		"none":    {asteriskAt{}, []string{"warning  : Asterisk listens for SIP and IAX2 on no UDP port"}},
		"refused": {asteriskAt{list: many[:1], err: errors.New("add system")}, []string{"on UDP port 6000 (PJSIP): bans close", "warning  : could not ask Asterisk for all of its ports: add system"}},
		"many":    {asteriskAt{list: many}, []string{"6000 (PJSIP), 6001 (PJSIP)", "warning  : 8 more UDP ports cannot be closed"}},
	} {
		results := listPorts(t.Context(), tt.asterisk, binds.Configured{UDP: []uint16{5060, 5061}})
		out := text(results)
		for _, want := range tt.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, out)
			}
		}
		if len(results) != len(tt.says) {
			t.Errorf("%s: %d results:\n%s", name, len(results), out)
		}
	}
}

// The report as JSON has every result, and what would be done.
func TestRunJSON(t *testing.T) {
	cfg := load(t, "127.0.0.1:1", "")
	var out strings.Builder
	err := Run(t.Context(), &out, cfg, Options{JSON: true})
	var r Report
	if jsonErr := json.Unmarshal([]byte(out.String()), &r); jsonErr != nil || err == nil {
		t.Fatalf("%v, %v:\n%s", err, jsonErr, &out)
	}
	if r.Mode != "enforce" || len(r.Rules) == 0 || r.Failed != 1 || len(r.Results) < 5 {
		t.Errorf("%+v", r)
	}
	if i := slices.IndexFunc(r.Results, func(r Result) bool { return r.Check == "login" }); i < 0 || r.Results[i].State != Failed || r.Results[i].Fix == "" {
		t.Errorf("no failed login with a fix: %+v", r.Results)
	}
}

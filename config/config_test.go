package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollwarden/tollwarden/config"
)

const login = "[asterisk]\nusername = \"tollwarden\"\nsecret = \"s3cr3t\"\n"

var env = config.Env{
	Languages: []string{"de", "en"},
	Signals:   []string{"InvalidPassword", "ChallengeResponseFailed", "SuccessAfterFailures"},
	Getenv:    func(string) string { return "" },
}

var sameZone = cmp.Comparer(func(a, b *time.Location) bool { return a == b })

// The reference explains the defaults, so it must be the defaults.
func TestReferenceIsTheDefault(t *testing.T) {
	got := parseFile(t, "reference.toml", withLogin)
	want := config.Default()
	want.Asterisk.Username, want.Asterisk.Secret = "u", "s"
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(want.Firewall.Allow[0]), sameZone); diff != "" {
		t.Errorf("reference.toml differs from the defaults (-default +reference):\n%s", diff)
	}
	if len(got.Thresholds) == 0 || len(got.Playbooks) == 0 || len(got.Bans.Ladder) != 5 {
		t.Errorf("the built-in set is incomplete: %+v", got)
	}
}

func TestMinimalFile(t *testing.T) {
	c, err := config.Parse("t.toml", []byte("data = \"/srv/tw\"\n"+login), env)
	if err != nil {
		t.Fatal(err)
	}
	if c.Mode != config.Enforce || c.Asterisk.Address != "127.0.0.1:5038" || c.Rotate.Store != "/srv/tw/secrets" {
		t.Errorf("defaults not filled in: %+v", c)
	}
	if c.Asterisk.Secret != "s3cr3t" {
		t.Error("secret not read")
	}
	if c.Bans.Ladder[0] != 15*time.Minute || c.Bans.Ladder[1] != 4*time.Hour || c.Bans.Ladder[4] != 0 {
		t.Errorf("ladder = %v", c.Bans.Ladder)
	}
}

// What is written is what runs: own thresholds replace the built-in set whole.
func TestOwnRulesReplaceTheBuiltInSet(t *testing.T) {
	c, err := config.Parse("t.toml", []byte(login+`
[bans]
ladder = ["10s", "1d12h", "forever"]
[[threshold]]
name = "mine"
per = "network"
signals = { InvalidPassword = 2 }
score = 6
within = "7d"
playbook = "p"
[[playbook]]
name = "p"
steps = ["ban", "notify"]
`), env)
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Threshold{{Name: "mine", Per: config.PerNetwork, Signals: map[string]int{"InvalidPassword": 2}, Score: 6, Within: 7 * 24 * time.Hour, Playbook: "p", Mode: config.Enforce}}
	if diff := cmp.Diff(want, c.Thresholds); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]config.Playbook{{Name: "p", Steps: []config.Step{"ban", "notify"}}}, c.Playbooks); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]time.Duration{10 * time.Second, 36 * time.Hour, 0}, c.Bans.Ladder); diff != "" {
		t.Error(diff)
	}
}

// Every mistake is one located line that says what is accepted.
// Ban times of what may be spoofed: a list, or one as before.
func TestSpoofable(t *testing.T) {
	for text, want := range map[string][]time.Duration{
		"":                                       {10 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour},
		"[bans]\nspoofable = \"5m\"\n":           {5 * time.Minute},
		"[bans]\nclaimed = \"5m\"\n":             {5 * time.Minute},
		"[bans]\nspoofable = [\"5m\", \"1d\"]\n": {5 * time.Minute, 24 * time.Hour},
		"[bans]\nclaimed = [\"5m\", \"1h\"]\n":   {5 * time.Minute, time.Hour},
	} {
		c, err := config.Parse("t.toml", []byte(login+text), env)
		if err != nil || !slices.Equal(c.Bans.Spoofable, want) || c.Bans.SpoofableForever {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
	if c, err := config.Parse("t.toml", []byte(login+"[bans]\nspoofable_forever = true\n"), env); err != nil || !c.Bans.SpoofableForever {
		t.Errorf("forever: %v", err)
	}
}

// What bans close: a list by offence, or one for all.
func TestScope(t *testing.T) {
	for text, want := range map[string][]config.Scope{
		"":                                     {config.ScopeAsterisk, config.ScopeAll},
		"[bans]\nscope = \"all\"\n":            {config.ScopeAll},
		"[bans]\nscope = [\"asterisk\"]\n":     {config.ScopeAsterisk},
		"[bans]\nscope = [\"all\", \"all\"]\n": {config.ScopeAll, config.ScopeAll},
	} {
		c, err := config.Parse("t.toml", []byte(login+text), env)
		if err != nil || !slices.Equal(c.Bans.Scope, want) {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
	c, err := config.Parse("t.toml", []byte(login+"[firewall]\nsip_tcp_ports = []\n"), env)
	if err != nil || len(c.Firewall.TCPPorts) > 0 || len(c.Firewall.SIPPorts) != 2 {
		t.Errorf("no TCP ports: %+v, %v", c, err)
	}
}

func TestMistakes(t *testing.T) {
	rule := "\n[[playbook]]\nname = \"b\"\nsteps = [\"ban\"]\n[[threshold]]\nname = \"g\"\nper = \"source\"\nsignals = { InvalidPassword = 1 }\nscore = 3\nwithin = \"1h\"\nplaybook = \"b\"\n"
	mail := "[notify.mail]\nserver = \"mail.example.org:587\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n"
	env := env
	env.Template = func(text string) error {
		if strings.Contains(text, "Acount") {
			return errors.New("no such field")
		}
		return nil
	}
	for name, tc := range map[string]struct{ text, want string }{
		"no user":          {"mode = \"observe\"\n[asterisk]\nsecret = \"x\"\n", `t.toml: asterisk.username: missing: the name of a [user] section in Asterisk's manager.conf`},
		"no secret":        {"[asterisk]\nusername = \"x\"\n", `t.toml: asterisk.secret: missing: set secret_file, secret or the environment variable TOLLWARDEN_AMI_SECRET`},
		"mode":             {"mode = \"on\"\n" + login, `t.toml:1: mode: "on": want "enforce" or "observe"`},
		"unknown key":      {login + "port = 5038\n", "t.toml:4: asterisk.port: unknown key: `tollwarden check --reference` prints every key"},
		"unknown table":    {login + "[banns]\nladder = []\n", `t.toml:4: banns: unknown key: did you mean bans?`},
		"unknown in rule":  {login + rule + "scores = 4\n", `t.toml:15: threshold.scores: unknown key: did you mean threshold.score?`},
		"address":          {strings.Replace(login, "[asterisk]", "[asterisk]\naddress = \"pbx\"", 1), `t.toml:2: asterisk.address: "pbx": want host:port`},
		"wrong type":       {login + "[bans]\nforget = 30\n", `t.toml:5: bans.forget: want text in quotes, not a number`},
		"syntax":           {login + "[bans\n", `expected '.' or ']' to end table name`},
		"ladder":           {login + "[bans]\nladder = [\"1h\", \"soon\"]\n", `t.toml:5: bans.ladder: "soon": want a duration above zero, such as "90s", "15m", "1h30m", "24h" or "7d", or "forever"`},
		"empty ladder":     {login + "[bans]\nladder = []\n", `t.toml:5: bans.ladder: empty: want at least one ban time`},
		"negative":         {login + "[bans]\nforget = \"-1h\"\n", `t.toml:5: bans.forget: "-1h": want a duration above zero`},
		"allow":            {login + "[firewall]\nallow = [\"office\"]\n", `t.toml:5: firewall.allow: "office": want an address such as "192.0.2.1" or a prefix`},
		"table":            {login + "[firewall]\ntable = \"my table\"\n", `t.toml:5: firewall.table: "my table": want a lower-case letter`},
		"no port":          {login + "[firewall]\nsip_ports = []\n", `t.toml:5: firewall.sip_ports: 0 ports: want 1 to 16`},
		"counters":         {login + "[firewall]\ncounters = \"yes\"\n", `t.toml:5: firewall.counters: want true or false, not text in quotes`},
		"bad TCP port":     {login + "[firewall]\nsip_tcp_ports = [0]\n", `t.toml:5: firewall.sip_tcp_ports: 0: want 1 to 65535`},
		"many TCP ports":   {login + "[firewall]\nsip_tcp_ports = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]\n", `t.toml:5: firewall.sip_tcp_ports: 17 ports: want at most 16`},
		"bad scope":        {login + "[bans]\nscope = [\"asterisk\", \"sip\"]\n", `t.toml:5: bans.scope: "sip": want "asterisk" or "all" in quotes`},
		"no scope":         {login + "[bans]\nscope = []\n", `t.toml:5: bans.scope: empty: want "asterisk" or "all"`},
		"scope no text":    {login + "[bans]\nscope = true\n", `t.toml:5: bans.scope: true: want "asterisk" or "all"`},
		"bad port":         {login + "[firewall]\nsip_ports = [5060, 70000]\n", `t.toml:5: firewall.sip_ports: 70000: want 1 to 65535`},
		"spoofable":        {login + "[bans]\nspoofable = \"25h\"\n", `t.toml:5: bans.spoofable: 25h: want at most 24h each, because spoofed packets can ban an innocent address: use "24h" as the last one`},
		"spoofable, one":   {login + "[bans]\nspoofable = [\"10m\", \"2d\"]\n", `t.toml:5: bans.spoofable: 2d: want at most 24h each`},
		"spoofable, none":  {login + "[bans]\nspoofable = []\n", `t.toml:5: bans.spoofable: empty: want ban times in quotes, such as ["10m", "1h", "4h", "24h"], or one`},
		"spoofable, wrong": {login + "[bans]\nspoofable = [10]\n", `t.toml:5: bans.spoofable: 10: want ban times in quotes`},
		"spoofable, ever":  {login + "[bans]\nspoofable = [\"10m\", \"forever\"]\n", `t.toml:5: bans.spoofable: "forever": want at most 24h; bans.spoofable_forever = true adds bans that last until you release them`},
		"claimed":          {login + "[bans]\nclaimed = [\"25h\"]\n", `t.toml:5: bans.claimed: 25h: want at most 24h each`},
		"claimed too long": {login + "[bans]\nclaimed = \"2d\"\n", `t.toml:5: bans.claimed: 2d: want at most 24h each`},
		"ledger's size":    {login + "[ledger]\nsize = \"1MB\"\n", `t.toml:5: ledger.size: 1MB: want at least 64MB`},
		"no size":          {login + "[ledger]\nsize = \"1M\"\n", `t.toml:5: ledger.size: "1M": want a number of bytes`},
		"keep":             {login + "[ledger]\nkeep = \"29d\"\n", `t.toml:5: ledger.keep: 29d: want at least 30d (bans.forget)`},
		"failures":         {login + "[break_in]\nfailures = 0\n", `t.toml:5: break_in.failures: 0: want 1 to 100`},
		"slow":             {login + "[slow]\nwithin = \"60d\"\n", `t.toml:5: slow.within: 60d: want at most 30d`},
		"slow accounts":    {login + "[slow]\naccounts = 9\n", `t.toml:5: slow.accounts: 9: want 2 to 8`},
		"method":           {login + "[rotate]\nmethod = \"magic\"\n", `t.toml:5: rotate.method: "magic": want one of auto, pjsip-file, pjsip-realtime, chan-sip, iax2, freepbx, exec`},
		"socket of exec":   {login + "[rotate]\nexec = [\"unix:hook.sock\"]\n", `such as "unix:/run/tollwarden-hook.sock"`},
		"arguments of it":  {login + "[rotate]\nexec = [\"unix:/run/hook.sock\", \"x\"]\n", `a socket takes no arguments`},
		"exec missing":     {login + "[rotate]\nmethod = \"exec\"\n", `t.toml: rotate.exec: missing: method "exec" needs a command`},
		"restrict":         {login + "[restrict]\nnetworks = 1\nquiet = \"soon\"\n", "t.toml:5: restrict.networks: 1: want 2 to 30"},
		"lived":            {login + "[restrict]\nlived = \"91d\"\n", `t.toml:5: restrict.lived: "91d": want at most 90d`},
		"quiet":            {login + "[restrict]\nquiet = \"soon\"\n", `t.toml:5: restrict.quiet: "soon": `},
		"direct edit":      {login + "[rotate]\ndirect_edit = \"yes\"\n", `t.toml:5: rotate.direct_edit: want true or false, not text in quotes`},
		"recipient":        {login + "[rotate]\nrecipient = \"ssh-rsa\"\n", `t.toml:5: rotate.recipient: not an age recipient`},
		"webhook":          {login + "[notify]\nwebhook = \"ops@example.org\"\n", `t.toml:5: notify.webhook: want an http:// or https:// URL`},
		"relative socket":  {login + "[notify]\nsyslog = \"log\"\n", `t.toml:5: notify.syslog: "log": want an absolute path`},
		"burst":            {login + "[notify]\nburst = 0\n", `t.toml:5: notify.burst: 0: want 1 to 1000`},
		"language":         {login + "[notify]\nlanguage = \"fr\"\n", `t.toml:5: notify.language: "fr": want one of de, en`},
		"weekly":           {login + "[notify]\nweekly = \"8 o'clock\"\n", `t.toml:5: notify.weekly: "8 o'clock": want a weekday and a time, such as "Mon 08:00", or "off"`},
		"weekly time":      {login + "[notify]\nweekly = \"Mon 25:00\"\n", `t.toml:5: notify.weekly: "Mon 25:00": want a weekday and a time`},
		"digest":           {login + "[notify]\ndigest = \"1d\"\n", `t.toml:5: notify.digest: 24h: want 1s to 6h`},
		"template":         {login + "[notify]\nsubject = \"{{.Acount}}\"\n", `t.toml:5: notify.subject: not a valid template: no such field`},
		"mail server":      {login + strings.Replace(mail, ":587", "", 1), `t.toml:5: notify.mail.server: "mail.example.org": want host:port, such as "mail.example.org:587"`},
		"no mail server":   {login + strings.Replace(mail, "mail.example.org:587", "", 1), `t.toml:5: notify.mail.server: missing: the mail server`},
		"no recipient":     {login + strings.Replace(mail, `"b@example.org"`, "", 1), `t.toml:7: notify.mail.to: missing: want the addresses that get the mail`},
		"mail recipient":   {login + strings.Replace(mail, "b@example.org", `b@example.org\r\nBcc: c@example.org`, 1), `t.toml:7: notify.mail.to: "b@example.org\r\nBcc: c@example.org": want addresses`},
		"sender":           {login + strings.Replace(mail, "a@example.org", "Ops <a@example.org>", 1), `t.toml:6: notify.mail.from: "Ops <a@example.org>": want one address`},
		"mail security":    {login + mail + "security = \"ssl\"\n", `t.toml:8: notify.mail.security: "ssl": want one of starttls, tls, none`},
		"open password":    {login + mail + "security = \"none\"\nusername = \"u\"\npassword = \"p\"\n", `t.toml:9: notify.mail.username: the password would cross the network unencrypted`},
		"no password":      {login + mail + "username = \"u\"\n", `t.toml: notify.mail.password: missing: set password_file, or password`},
		"password file":    {login + mail + "username = \"u\"\npassword_file = \"/nonexistent\"\n", `t.toml:9: notify.mail.password_file: stat /nonexistent: no such file`},
		"mail ca":          {login + mail + "ca = \"ca.pem\"\n", `t.toml:8: notify.mail.ca: "ca.pem": want an absolute path`},
		"no command":       {login + strings.Replace(rule, `["ban"]`, `["ban", "exec"]`, 1), `t.toml: exec.command: missing: playbook "b" has the step exec: want a command`},
		"command":          {login + "[exec]\ncommand = [\"on-incident\"]\n", `t.toml:5: exec.command: "on-incident": want the absolute path of a command first`},
		"exec within":      {login + "[exec]\nwithin = \"0s\"\n", `t.toml:5: exec.within: "0s": want a duration above zero`},
		"relative log":     {login + "log = \"messages\"\n", `t.toml:4: asterisk.log: "messages": want an absolute path`},
		"canary":           {login + "[health]\ncanary = \"500ms\"\n", `t.toml:5: health.canary: 500ms: want 1s to 1h`},
		"firewall":         {login + "[health]\nfirewall = \"1d\"\n", `t.toml:5: health.firewall: 24h: want 1s to 1h`},
		"listen":           {login + "[health]\nlisten = \"9465\"\n", `t.toml:5: health.listen: "9465": want host:port`},
		"relative data":    {"data = \"var\"\n" + login, `t.toml:1: data: "var": want an absolute path`},
		"playbook missing": {login + strings.Replace(rule, `playbook = "b"`, `playbook = "c"`, 1), `t.toml:14: threshold[0].playbook: there is no [[playbook]] "c": want one of "b"`},
		"step":             {login + strings.Replace(rule, `["ban"]`, `["bann"]`, 1), `t.toml:7: playbook[0].steps: "bann": want some of ban, rotate, remove-registrations, lock, restrict, limit-costs, hangup-call, hangup, notify, exec`},
		"signal":           {login + strings.Replace(rule, `InvalidPassword`, `WrongPassword`, 1), `t.toml:11: threshold[0].signals: there is no signal "WrongPassword": want some of InvalidPassword`},
		"score":            {login + strings.Replace(rule, `score = 3`, `score = 0`, 1), `t.toml:12: threshold[0].score: 0: want 1 to 1000`},
		"per":              {login + strings.Replace(rule, `"source"`, `"host"`, 1), `t.toml:10: threshold[0].per: "host": want "source", "network", "account", "site" or "origin"`},
		"mode of rule":     {login + rule + "mode = \"watch\"\n", `t.toml:15: threshold[0].mode: "watch": want "enforce" or "observe"`},
		"within missing":   {login + strings.Replace(rule, "within = \"1h\"\n", "", 1), `t.toml:8: threshold[0].within: "": want a duration`},
		"country":          {login + "[calls]\ncountry = \"England\"\n", `t.toml:5: calls.country: "England": want a two-letter country code (ISO 3166)`},
		"outside line":     {login + "[calls]\noutside_line = [\"nine\"]\n", `t.toml:5: calls.outside_line: "nine": want 1 to 8 digits`},
		"emergency":        {login + "[calls]\nemergency = [\"00881612345678\"]\n", `t.toml:5: calls.emergency: "00881612345678": want an emergency number in full, of 2 to 6 digits`},
		"timezone":         {login + "[calls]\ntimezone = \"London\"\n", `t.toml:5: calls.timezone: "London": want a time zone such as "Europe/London"`},
		"hours":            {login + "[calls]\nhours = [\"Mon-Fri 22:00-06:00\"]\n", `t.toml:5: calls.hours: "Mon-Fri 22:00-06:00": want days and times`},
		"holiday":          {login + "[calls]\nholidays = [\"02-30\"]\n", `t.toml:5: calls.holidays: "02-30": no such date`},
		"rate":             {login + "[calls]\nrate = -1\n", `t.toml:5: calls.rate: -1: want 0 to 1000000`},
		"variants":         {login + "[calls]\nvariants = 1\n", `t.toml:5: calls.variants: 1: want 0 (off) or 2 to 32`},
		"destination":      {login + "[calls]\ndeny = [\"Cuba\"]\n", `t.toml:5: calls.deny: "Cuba": want a country such as "FR", the first digits of a number`},
		"carriers":         {login + "[calls]\ncarriers = [\"[a\"]\n", `t.toml:5: calls.carriers: "[a": want the name of an account, or a pattern`},
		"group":            {login + "[[calls.group]]\nname = \"x\"\n", `t.toml:4: calls.group[0]: group "x" has no accounts`},
		"group's key":      {login + "[[calls.group]]\nname = \"x\"\naccounts = [\"1\"]\ngap = \"x\"\n", `t.toml:7: calls.group[0].gap: "x": want a duration`},
		"playbook twice":   {login + rule + rule, `t.toml:17: playbook[1].name: two playbooks are called "b"`},
		"threshold twice":  {login + rule + rule, `t.toml:20: threshold[1].name: two thresholds are called "g"`},
		"step twice":       {login + strings.Replace(rule, `["ban"]`, `["ban", "ban"]`, 1), `t.toml:7: playbook[0].steps: "ban" appears twice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("t.toml", []byte(tc.text), env)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestCalls(t *testing.T) {
	c, err := config.Parse("t.toml", []byte(login+`
[calls]
country = "GB"
timezone = "Europe/London"
hours = ["Fri-Mon 08:00-18:30"]
holidays = ["2026-04-03", "12-25"]
rate = 20
deny = ["premium", "CU", "+4490", "118"]
[[calls.group]]
name = "call centre"
accounts = ["21*"]
gap = "off"
concurrent = 50
`), env)
	if err != nil {
		t.Fatal(err)
	}
	g := c.Calls.Groups[0].Limits
	if g.Rate != 20 || g.Gap != 0 || g.Concurrent != 50 || g.Dormant != 30*24*time.Hour {
		t.Errorf("the group's limits: %+v", g)
	}
	want := config.Hours{Days: [7]bool{true, true, false, false, false, true, true}, From: 480, To: 1110}
	if c.Calls.Hours[0] != want || c.Calls.Timezone.String() != "Europe/London" || len(c.Calls.Holidays) != 2 {
		t.Errorf("%+v", c.Calls)
	}
	if c.Calls.Limits.Gap != time.Second || c.Calls.Limits.Concurrent != 5 {
		t.Errorf("the group changed the limits of all: %+v", c.Calls.Limits)
	}
}

func TestNotify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("t.toml", []byte(login+`
[notify]
syslog = "/dev/log"
digest = "1h"
language = "de"
weekly = "Friday 17:30"
[notify.mail]
server = "[2001:db8::25]:465"
security = "tls"
username = "u"
password_file = "`+file+`"
from = "a@example.org"
to = ["b@example.org", "c@example.org"]
[exec]
command = ["/bin/true", "x"]
`), env)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default().Notify
	want.Syslog, want.Digest, want.Language = "/dev/log", time.Hour, "de"
	want.Weekly = config.Weekly{On: true, Day: time.Friday, At: 17*time.Hour + 30*time.Minute}
	want.Mail = config.Mail{Server: "[2001:db8::25]:465", Security: "tls", Username: "u", Password: "s3cr3t", From: "a@example.org", To: []string{"b@example.org", "c@example.org"}}
	if diff := cmp.Diff(want, c.Notify); diff != "" {
		t.Error(diff)
	}
	if !c.Notify.Anybody() || config.Default().Notify.Anybody() {
		t.Error("Anybody is wrong about who gets messages")
	}
	if diff := cmp.Diff(config.Exec{Command: []string{"/bin/true", "x"}, Within: 30 * time.Second}, c.Exec); diff != "" {
		t.Error(diff)
	}
}

func TestSecretSources(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(good, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	withFile := func(path string) []byte { return []byte(login + "secret_file = \"" + path + "\"\n") }
	c, err := config.Parse("t", withFile(good), env)
	if err != nil || c.Asterisk.Secret != "from file" {
		t.Errorf("secret_file: %q, %v", string(c.Asterisk.Secret), err)
	}
	if _, err := config.Parse("t", withFile(open), env); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a secret that others can read was accepted: %v", err)
	}
	fromEnv := config.Env{Getenv: func(key string) string {
		if key == config.SecretEnv {
			return "from env"
		}
		return ""
	}}
	c, err = config.Parse("t", withFile(good), fromEnv)
	if err != nil || c.Asterisk.Secret != "from env" {
		t.Errorf("the environment does not win: %v", err)
	}
	if s := cmp.Diff(c.Asterisk.Secret.String()+c.Asterisk.Secret.GoString(), "<secret><secret>"); s != "" {
		t.Error(s)
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "forever", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h",
		24 * time.Hour: "24h", 48 * time.Hour: "2d", 7 * 24 * time.Hour: "7d", 60 * time.Hour: "2d12h",
	} {
		if got := config.FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%s) = %q, want %q", time.Duration(d), got, want)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "192.0.2.7/24": "192.0.2.0/24", "2001:db8::1": "2001:db8::1/128",
		"::ffff:192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7/120": "192.0.2.0/24",
	} {
		if got, err := config.ParsePrefix(in); err != nil || got.String() != want {
			t.Errorf("ParsePrefix(%s) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "host", "192.0.2.0/33", "fe80::1%eth0", "1.2.3"} {
		if got, err := config.ParsePrefix(in); err == nil {
			t.Errorf("ParsePrefix(%q) = %v, want an error", in, got)
		}
	}
}

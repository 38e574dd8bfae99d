package test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// keysOf are the keys of a JSON object.
func keysOf(t *testing.T, object map[string]any) string {
	t.Helper()
	var keys []string
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

func objects(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("no JSON array of objects: %v: %s", err, text)
	}
	return list
}

func (s said) wants(t *testing.T, what string, code int, words ...string) {
	t.Helper()
	for _, w := range words {
		if s.code != code || !strings.Contains(s.out+s.err, w) {
			t.Errorf("%s: exit %d, %q; want exit %d and %q", what, s.code, s.out+s.err, code, w)
		}
	}
}

// A person bans, releases and allows; the kernel follows, and nobody cuts the
// branch they sit on.
func TestBanningByHand(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "[firewall]\nallow = [\"127.0.0.0/8\", \"198.51.100.128/25\"]\n")
	at := []string{"--socket", b.socket()}
	with := func(args ...string) []string { return append(args, at...) }

	b.run(with("status")...).wants(t, "status without a daemon", 3, "no daemon answers")
	b.start()
	b.run(with("status")...).wants(t, "status", 0, "the table is intact")
	b.wait("Asterisk's own version", func() bool { return strings.Contains(b.must(with("status")...), "listening to Asterisk 22.") })
	if got := b.must(with("bans", "--json")...); got != "[]\n" {
		t.Errorf("no bans are %q", got)
	}

	b.must(with("ban", "203.0.113.0/24", "--for", "1h", "--reason", "by the carrier")...)
	b.must(with("ban", "192.0.2.66", "--forever")...)
	if !b.dropped("203.0.113.0/24") || !b.dropped("192.0.2.66/32") {
		t.Error("the kernel does not have the bans")
	}
	bans := objects(t, b.must(with("bans", "--json")...))
	if len(bans) != 2 || keysOf(t, bans[0]) != "offence origin packets prefix reason repeat scope since until" {
		t.Fatalf("bans --json: %v", bans)
	}
	if newest := bans[0]; newest["prefix"] != "192.0.2.66/32" || newest["until"] != nil || newest["scope"] != "all" || newest["origin"] != "operator" || bans[1]["until"] == nil || newest["packets"] != 0.0 {
		t.Errorf("bans --json: %v", bans)
	}
	table := b.must(with("bans")...)
	if !strings.Contains(table, "by the carrier") || strings.Contains(table, "\x1b") {
		t.Errorf("bans: %q", table)
	}

	b.run(with("unban", "203.0.113.7")...).wants(t, "unban inside a prefix", 1, "held by the ban of 203.0.113.0/24", "tollwarden unban 203.0.113.0/24", "tollwarden allow add 203.0.113.7")
	b.run(with("ban", "198.51.100.0/24")...).wants(t, "ban of an allowed address", 1, "refused", "allow list", "--force")
	b.run(with("ban", "127.0.0.1")...).wants(t, "ban of the manager interface", 1, "manager interface")
	b.runWith([]string{"SSH_CONNECTION=192.0.2.200 50000 192.0.2.1 22"}, with("ban", "192.0.2.0/24")...).wants(t, "ban of one's own session", 1, "192.0.2.200 is where you are logged in from")
	b.runWith([]string{"SSH_CONNECTION=192.0.2.200 50000 192.0.2.1 22"}, with("ban", "192.0.2.0/24", "--force")...).wants(t, "forced", 0, "banned 192.0.2.0/24")
	b.run(with("ban", "nonsense")...).wants(t, "ban of nonsense", 2, "want an address")
	b.run(with("ban", "192.0.2.1", "--for", "soon")...).wants(t, "ban for soon", 2, "want a duration")
	b.run(with("ban", "192.0.2.1", "--for", "1h", "--forever")...).wants(t, "ban for an hour, forever", 2, "[for forever]")
	b.must(with("ban", "203.0.113.8")...)
	b.run(with("unban", "203.0.113.8")...).wants(t, "unban of one that a wider ban holds", 0, "released 203.0.113.8; it is still held by the ban of 203.0.113.0/24", "tollwarden unban 203.0.113.0/24")
	b.run(with("unban")...).wants(t, "unban of nothing", 2, "give an address")
	b.run(with("unban", "192.0.2.7", "--forgive")...).wants(t, "forgiven inside a prefix", 1, "held by the ban of 192.0.2.0/24")

	// Allowed is released at once, and written where a person can read it.
	b.run(with("allow", "add", "192.0.2.66", "--comment", "our office")...).wants(t, "allow add", 0, "allowed 192.0.2.66, released 1 of its bans")
	b.run(with("allow", "add", "203.0.113.7", "--comment", "one of them")...).wants(t, "allow inside a ban", 0, "allowed 203.0.113.7\n")
	if b.dropped("192.0.2.66/32") || !strings.Contains(b.nft("list", "set", "inet", "tollwarden", "allow4"), "203.0.113.7") {
		t.Errorf("the kernel goes on without the allowed:\n%s", b.nft("list", "table", "inet", "tollwarden"))
	}
	file := filepath.Join(b.data(), "allow")
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "192.0.2.66") || !strings.Contains(string(text), "root: our office") {
		t.Errorf("allow file: %q, %v", text, err)
	}
	b.run(with("ban", "192.0.2.66")...).wants(t, "ban of what was allowed", 1, "allow list")
	list := b.must(with("allow", "list")...)
	for _, line := range []string{"config", "file", "our office", "protected", "registered contact of 1001"} {
		if !strings.Contains(list, line) {
			t.Errorf("allow list lacks %q:\n%s", line, list)
		}
	}
	origins := map[any]bool{}
	for _, a := range objects(t, b.must(with("allow", "list", "--json")...)) {
		origins[a["origin"]] = true
	}
	if len(origins) != 4 {
		t.Errorf("origins: %v", origins)
	}
	b.run(with("allow", "remove", "198.51.100.130")...).wants(t, "removing what the config allows", 1, "firewall.allow: change it there")
	b.run(with("allow", "add", "203.0.113.7")...).wants(t, "allowed twice", 1, "already")

	// What the file says counts after a restart, what a person wrote in it stays.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("# do not touch the carrier\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	b.stop(syscall.SIGTERM)
	b.start()
	b.run(with("allow", "remove", "203.0.113.7")...).wants(t, "allow remove", 0, "no longer allowed")
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "# do not touch the carrier\n") || strings.Contains(string(text), "203.0.113.7") {
		t.Errorf("allow file: %q, %v", text, err)
	}
	if got := b.nft("list", "set", "inet", "tollwarden", "allow4"); strings.Contains(got, "203.0.113.7") || !strings.Contains(got, "192.0.2.66") {
		t.Errorf("the kernel allows %s", got)
	}
	b.must(with("ban", "192.0.2.9")...)
	b.run(with("unban", "192.0.2.0/24")...).wants(t, "unban around a ban", 0, "released 192.0.2.0/24; 1 ban still in force within it")
	b.run(with("unban", "--all")...).wants(t, "unban --all", 0, "released 2 bans")
	if b.dropped("203.0.113.0/24") {
		t.Error("released, and still dropped")
	}
	b.stop(syscall.SIGTERM)
	b.acted("ban 203.0.113.0/24 by the carrier", "allow 192.0.2.66 our office", "disallow 203.0.113.7", "unban all 2 bans")
}

// A manager interface that is configured by its name is spared like one by its
// address: by a person's ban, and by every other.
func TestManagerByName(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "[firewall]\nallow = []\n")
	text, err := os.ReadFile(b.config())
	if err != nil {
		t.Fatal(err)
	}
	named := strings.Replace(string(text), "127.0.0.1:", "localhost:", 1)
	if err := os.WriteFile(b.config(), []byte(named), 0o600); err != nil || named == string(text) {
		t.Fatal(err)
	}
	b.start()
	at := []string{"--socket", b.socket()}
	with := func(args ...string) []string { return append(args, at...) }
	b.wait("the manager on the allow list", func() bool {
		return strings.Contains(b.nft("list", "set", "inet", "tollwarden", "allow4"), "127.0.0.1")
	})
	b.run(with("ban", "127.0.0.1")...).wants(t, "ban of the manager interface", 1, "refused", "127.0.0.1 is the manager interface")
	b.run(with("ban", "127.0.0.0/24")...).wants(t, "ban around the manager interface", 1, "refused", "127.0.0.1 is the manager interface")
	b.run(with("allow", "list")...).wants(t, "allow list", 0, "127.0.0.1", "asterisk")
	b.run(with("allow", "remove", "127.0.0.1")...).wants(t, "removing it", 1, "without it, no attack would be seen")
	b.pbx.Raw("security", guesses("1002", "127.0.0.1", 5))
	b.pbx.Raw("security", guesses("1002", "203.0.113.5", 3))
	b.wait("another's ban", func() bool { return b.dropped("203.0.113.5/32") })
	if b.dropped("127.0.0.1/32") {
		t.Error("the manager interface is dropped")
	}
}

// acted checks that the ledger knows what a person did, and who.
func (b *booth) acted(want ...string) {
	b.t.Helper()
	l, err := ledger.Open(filepath.Join(b.data(), "ledger.db"), ledger.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer l.Close()
	actions, err := l.Actions(b.t.Context(), time.Time{}, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, a := range actions {
		if a.UID < 0 {
			continue // the daemon's own
		}
		if a.UID != os.Getuid() {
			b.t.Errorf("%s %s was done by uid %d", a.Action, a.Target, a.UID)
		}
		got = append(got, strings.TrimSpace(a.Action+" "+a.Target+" "+a.Detail))
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }) {
			b.t.Errorf("%q is not recorded: %q", w, got)
		}
	}
}

// An attack, as a person follows it and looks into it afterwards.
func TestLookingIntoAnAttack(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	at := []string{"--socket", b.socket()}
	with := func(args ...string) []string { return append(args, at...) }
	b.start()
	bans, incidents := b.follow(with("bans", "--watch", "--json")), b.follow(with("incidents", "--watch"))

	b.pbx.Raw("security", guesses("1002", "203.0.113.5", 2))
	b.wait("a score", func() bool { return strings.Contains(b.must(with("sources")...), "203.0.113.5") })
	b.run(with("sources")...).wants(t, "sources", 0, "2 of 3 wrong passwords  1h")
	if list := objects(t, b.must(with("sources", "--json")...)); len(list) != 1 || keysOf(t, list[0]) != "ban channels crossed key last scores share" {
		t.Errorf("sources --json: %v", list)
	}
	b.pbx.Raw("security", guess("1002", "203.0.113.5", 3)+guesses("1002", "203.0.113.6", 2)+rightGuess("1002", "203.0.113.6"))
	b.wait("the incidents to end", func() bool {
		list, err := b.client().Incidents(t.Context(), 10)
		done := err == nil && len(list) == 1 && list[0].Threshold == "break-in"
		for _, i := range list {
			for _, s := range i.Steps {
				done = done && s.State != "intended"
			}
		}
		return done
	})
	if b.pbx.Secret("1002") == "easy-1002" || !b.dropped("203.0.113.5/32") || !b.dropped("203.0.113.6/32") {
		t.Error("the attack was not stopped")
	}
	b.run(with("accounts")...).wants(t, "accounts", 0, "1002", "limit reached", "password changed")
	if got := bans.line(); !strings.Contains(got, `"change":"banned"`) || !strings.Contains(got, "203.0.113.5/32") {
		t.Errorf("bans --watch: %q", got)
	}
	for _, want := range []string{"incident 1", "ban 203.0.113.5", "done"} {
		if got := incidents.until(want); !strings.Contains(got, want) {
			t.Errorf("incidents --watch lacks %q: %q", want, got)
		}
	}

	list := objects(t, b.must(with("incidents", "--json")...))
	if len(list) != 1 || keysOf(t, list[0]) != "account at id key mode playbook reason source steps threshold" {
		t.Fatalf("incidents --json: %v", list)
	}
	steps := list[0]["steps"].([]any)
	if keysOf(t, steps[0].(map[string]any)) != "detail state step target took" || keysOf(t, list[0]["key"].(map[string]any)) != "kind value" {
		t.Errorf("incidents --json: %v", list[0])
	}
	b.run(with("incident", "1")...).wants(t, "incident", 0, "Break-in on extension 1002", "What to do now", "Give the phones of 1002", "unban 203.0.113.6 --forgive", "SHA-256")
	b.run(with("incident", "1", "--html")...).wants(t, "incident --html", 0, "<!doctype html>", "Break-in on extension 1002")
	annex := b.must(with("incident", "1", "--annex")...)
	if sum := sha256.Sum256([]byte(annex)); !strings.Contains(b.must(with("incident", "1")...), hex.EncodeToString(sum[:])) {
		t.Error("the annex has not the sum that the report tells")
	}
	for _, line := range []string{`"Event: ChallengeResponseFailed"`, `"RemoteAddress: IPV4/TCP/203.0.113.6/5060"`, `"Event: SuccessfulAuth"`, `"ExpectedResponse: (left out)"`} {
		if !strings.Contains(annex, line) {
			t.Errorf("the annex lacks %s of what Asterisk said: %s", line, annex)
		}
	}
	var one map[string]any
	if err := json.Unmarshal([]byte(b.must(with("incident", "1", "--json")...)), &one); err != nil || one["evidence"] == nil {
		t.Errorf("incident --json: %v, %v", one, err)
	}
	b.run(with("incident", "77")...).wants(t, "no incident", 1, "there is no incident 77")
	b.run("incident").wants(t, "no incident named", 2, "usage: tollwarden incident ID")
	b.run("allow", "everybody").wants(t, "no such command", 2, `there is no command "allow everybody"`)
	b.run(with("incident", "seven")...).wants(t, "no number", 2, "want the number")

	b.run(with("unban", "203.0.113.5", "--forgive")...).wants(t, "unban --forgive", 0, "released 203.0.113.5; forgot its wrong passwords and 1 earlier ban")
	if got := bans.until("released"); !strings.Contains(got, `"change":"released"`) {
		t.Errorf("bans --watch: %q", got)
	}
	b.pbx.Raw("security", guesses("1001", "203.0.113.5", 3)) // at 1002, they may be those of a phone with the old password
	b.wait("another ban", func() bool { return b.dropped("203.0.113.5/32") })
	for _, ban := range objects(t, b.must(with("bans", "--json")...)) {
		if ban["prefix"] == "203.0.113.5/32" && ban["offence"] != 1.0 {
			t.Errorf("after forgiveness it is offence %v", ban["offence"])
		}
	}
}

func TestOrdersOnAccounts(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	at := []string{"--socket", b.socket()}
	with := func(args ...string) []string { return append(args, at...) }
	b.start()
	b.pbx.AddChannel(amitest.Channel{Account: "1001", State: 6, CallerNum: "1001", Exten: "00442079460500"})
	b.run(with("hangup", "1001")...).wants(t, "hangup", 0, "ended 1 channel of 1001: PJSIP/1001-")
	b.run(with("hangup", "1001")...).wants(t, "hangup again", 0, "1001 has no calls")
	if n := len(b.pbx.Channels()); n != 0 {
		t.Errorf("%d channels are up", n)
	}
	b.run(with("rotate", "1001")...).wants(t, "rotate", 0, "changed the password of 1001", "secrets", "its phones need the new one: `tollwarden secret 1001`")
	if b.pbx.Secret("1001") == "easy-1001" {
		t.Error("the secret is the old one")
	}
	if n := len(b.pbx.Contacts("1001")); n != 1 {
		t.Errorf("%d registrations after the rotation, want 1", n)
	}
	b.run(with("rotate", "1001", "--expire")...).wants(t, "rotate --expire", 0, "1 registration removed")
	if n := len(b.pbx.Contacts("1001")); n != 0 {
		t.Errorf("%d registrations after --expire", n)
	}
	if out := b.must(with("rotate", "1002")...); strings.Contains(out, b.pbx.Secret("1002")) {
		t.Error("the secret is printed")
	}
	b.run(with("rotate", "1009")...).wants(t, "rotate of nobody", 1, "1009")
	b.run(with("lock", "1009")...).wants(t, "lock of nobody", 1, "no extension 1009; did you mean 1001?")
	b.run(with("unlock", "1009")...).wants(t, "a mistyped lock is none", 1, "not locked or limited")
	b.run(with("rotate", "AMI/admin")...).wants(t, "rotate of a manager account", 1, "manager.conf")

	// A shell completes what there is.
	b.must(with("ban", "192.0.2.66", "--reason", "a test")...)
	for args, want := range map[string]string{
		"unban":     "192.0.2.66\ta test\n",
		"rotate":    "1001\n",
		"allow add": "192.0.2.66\t",
	} {
		line := append(append([]string{"__complete"}, strings.Fields(args)...), append(at, "")...)
		b.run(line...).wants(t, "completion of "+args, 0, want, ":4\n")
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		b.run("completion", shell).wants(t, "completion "+shell, 0, "__complete")
	}
	dir := filepath.Join(b.dir, "man")
	b.must("man", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Errorf("%d manual pages, %v", len(pages), err)
	}
	if _, err := exec.LookPath("man"); err == nil {
		cmd := exec.Command("man", "--warnings", "-l", filepath.Join(dir, "tollwarden-allow-add.1"))
		cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Never ban this address") || strings.Contains(string(out), "warning") {
			t.Errorf("man: %v: %s", err, out)
		}
	}
	b.stop(syscall.SIGTERM)
	b.acted("hangup 1001 PJSIP/1001-", "rotate 1001", "remove-registrations 1001 1 registration", "rotate failed 1009")
}

// follower reads what a command goes on printing.
type follower struct {
	t     *testing.T
	lines chan string
}

// follow starts a command that does not end and waits until it is connected.
func (b *booth) follow(args []string) *follower {
	b.t.Helper()
	path, err := binary()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	before := b.connections()
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	f := &follower{b.t, make(chan string, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.lines <- lines.Text()
		}
	}()
	b.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("%v ended with %v", args, err)
		}
	})
	b.wait(strings.Join(args, " ")+" to be connected", func() bool { return b.connections() > before })
	time.Sleep(300 * time.Millisecond) // the request follows, and a watch shows only later changes
	return f
}

// connections is how many the daemon's socket has, by the kernel.
func (b *booth) connections() (n int) {
	b.t.Helper()
	const connected = "03"
	table, err := os.ReadFile("/proc/thread-self/net/unix") // of the namespace
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) == 8 && f[5] == connected && f[7] == b.socket() {
			n++
		}
	}
	return n
}

func (f *follower) line() string {
	f.t.Helper()
	select {
	case l := <-f.lines:
		return l
	case <-time.After(time.Minute):
		f.t.Fatal("nothing more is printed")
		return ""
	}
}

// until gives the first line with these words.
func (f *follower) until(words string) string {
	f.t.Helper()
	for {
		if l := f.line(); strings.Contains(l, words) {
			return l
		}
	}
}

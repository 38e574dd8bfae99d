package fail2ban

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

var noon = time.Now().Truncate(time.Second)

// database makes a database of fail2ban's with these bans: jail, address, seconds.
func database(t *testing.T, bans ...[3]any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fail2ban.sqlite3")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := []string{
		"CREATE TABLE jails (name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1)",
		"CREATE TABLE bips (ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL DEFAULT 1, data JSON, PRIMARY KEY(ip, jail))",
		"CREATE TABLE bans (jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL DEFAULT 1, data JSON)",
	}
	for _, b := range bans {
		for _, table := range []string{"bips", "bans"} {
			statements = append(statements, fmt.Sprintf("INSERT INTO %s (jail, ip, timeofban, bantime) VALUES ('%s', '%s', %d, %d)", table, b[0], b[1], noon.Add(-time.Minute).Unix(), b[2]))
		}
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return path
}

// jails makes a jail.local.
func jails(t *testing.T, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jail.local")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

func read(t *testing.T, s Source) *takeover.Import {
	t.Helper()
	im, err := Read(t.Context(), noon, s)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// list is an import in words.
func list(im *takeover.Import) string {
	var words []string
	for _, b := range im.Bans {
		words = append(words, fmt.Sprintf("%s %s %s", b.Jail, b.Prefix, b.Left(noon)))
	}
	for _, p := range im.Allowed {
		words = append(words, "allow "+p.String())
	}
	for _, s := range im.Skipped {
		words = append(words, "skip "+s.What)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

const jailText = `# ignoreip = 203.0.113.99
[DEFAULT]
ignoreip = 127.0.0.1/8, office.example
  198.51.100.0/24 # the office
[sshd]
ignoreip = 203.0.113.1
[asterisk]
ignoreip = 203.0.113.2 ; the carrier
bantime = 10m
`

func TestRead(t *testing.T) {
	db := database(t, [3]any{"asterisk", "192.0.2.66", 3600}, [3]any{"asterisk", "192.0.2.67", -1}, [3]any{"sshd", "192.0.2.66", 7200}, [3]any{"sshd", "host.example", 7200})
	ignore := jails(t, jailText)
	for name, tt := range map[string]struct {
		jails []string
		want  string
	}{
		"all jails": {nil, "allow 127.0.0.0/8, allow 198.51.100.0/24, allow 203.0.113.2, allow office.example, asterisk 192.0.2.67/32 forever, skip host.example, sshd 192.0.2.66/32 1h59m"},
		"one jail":  {[]string{"sshd"}, "allow 127.0.0.0/8, allow 198.51.100.0/24, allow 203.0.113.1, allow office.example, skip host.example, sshd 192.0.2.66/32 1h59m"},
		"another":   {[]string{"asterisk"}, "allow 127.0.0.0/8, allow 198.51.100.0/24, allow 203.0.113.2, allow office.example, asterisk 192.0.2.66/32 59m, asterisk 192.0.2.67/32 forever"},
	} {
		if got := list(read(t, Source{DB: db, Jails: tt.jails, IgnoreIP: ignore, BanTime: time.Minute})); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
		}
	}
	if _, err := Read(t.Context(), noon, Source{DB: db, IgnoreIP: []string{"/nowhere"}}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no jail.local: %v", err)
	}
}

// Without a daemon everything is there for the next start.
func TestStore(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	cfg.Asterisk.Address = "192.0.2.1:5038"
	cfg.Firewall.Allow = nil
	im := read(t, Source{
		DB: database(t, [3]any{"asterisk", "192.0.2.66", 3600}, [3]any{"asterisk", "198.51.100.9", 3600}, [3]any{"asterisk", "192.0.2.1", -1}), IgnoreIP: jails(t, jailText),
	})
	if err := im.Store(t.Context(), cfg); err != nil || !im.Offline {
		t.Fatal(err)
	}
	if got, want := list(im), "allow 127.0.0.0/8, allow 198.51.100.0/24, allow 203.0.113.2, allow office.example, asterisk 192.0.2.66/32 59m, skip 192.0.2.1, skip 198.51.100.9"; got != want {
		t.Errorf("imported:\n got %s\nwant %s", got, want)
	}
	file, err := config.LoadAllowFile(filepath.Join(cfg.Data, "allow"))
	if err != nil || len(file.Entries()) != 4 || file.Entries()[0].Comment != "fail2ban ignoreip" {
		t.Errorf("the allow file: %+v, %v", file, err)
	}
	l, err := ledger.Open(filepath.Join(cfg.Data, "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	bans, err := l.Bans(t.Context(), noon)
	if err != nil || len(bans) != 1 || bans[0].Prefix != netip.MustParsePrefix("192.0.2.66/32") || bans[0].Reason != "imported from fail2ban, jail asterisk" {
		t.Errorf("the ledger: %+v, %v", bans, err)
	}
	again := read(t, Source{DB: database(t), IgnoreIP: jails(t, jailText)})
	if err := again.Store(t.Context(), cfg); err != nil || len(again.Allowed) != 0 {
		t.Errorf("a second time: %+v, %v", again.Allowed, err)
	}
}

// orderBook is a daemon that keeps the orders it gets.
type orderBook struct {
	control.Daemon
	allowed []control.Allowed
	orders  []string
	bans    []control.BanOrder
}

func (b *orderBook) AllowList() []control.Allowed { return b.allowed }

func (b *orderBook) Allow(_ uint32, o control.AllowOrder) (control.Changed, error) {
	b.orders = append(b.orders, "allow "+config.AllowItem{Prefix: o.Prefix, Name: o.Name}.What())
	return control.Changed{}, nil
}

func (b *orderBook) Ban(_ uint32, o control.BanOrder) (control.Changed, error) {
	if o.Prefix == netip.MustParsePrefix("198.51.100.9/32") {
		return control.Changed{}, control.Refusal("on the allow list")
	}
	b.orders, b.bans = append(b.orders, "ban "+o.Prefix.String()+" "+o.For), append(b.bans, o)
	return control.Changed{}, nil
}

// A running daemon gets orders for what it does not have yet.
func TestSend(t *testing.T) {
	dir, err := os.MkdirTemp("", "tw") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	im := read(t, Source{DB: database(t, [3]any{"asterisk", "192.0.2.66", 3600}, [3]any{"asterisk", "198.51.100.9", 3600}), IgnoreIP: jails(t, jailText)})
	client := control.Dial(filepath.Join(dir, "s"))
	if err := im.Send(t.Context(), client); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("without a daemon: %v", err)
	}
	book := &orderBook{allowed: []control.Allowed{
		{Prefix: netip.MustParsePrefix("198.51.0.0/16"), Origin: control.FromConfig}, {Prefix: netip.MustParsePrefix("203.0.113.2/32"), Origin: control.Learned},
	}}
	s, err := control.Listen(filepath.Join(dir, "s"), book)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Setenv("SSH_CONNECTION", "203.0.113.5 50000 192.0.2.1 22")
	if err := im.Send(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(book.orders, ", "); got != "allow 127.0.0.0/8, allow office.example, allow 203.0.113.2, ban 192.0.2.66/32 59m" {
		t.Errorf("orders: %s", got)
	}
	if o := book.bans[0]; o.Operator != netip.MustParseAddr("203.0.113.5") || o.Reason != "imported from fail2ban, jail asterisk" {
		t.Errorf("%+v", o) // an imported ban must not cut off the operator's session
	}
	var out strings.Builder
	im.Print(&out, false)
	if !strings.Contains(out.String(), "1 ban and 3 allowed ranges imported, 1 skipped.") || !strings.Contains(out.String(), "skipped: 198.51.100.9: on the allow list") {
		t.Errorf("it prints\n%s", &out)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// An ignoreip that would let a large part of the internet attack is left out, unless it is
// forced. One that allows everybody is never taken.
func TestReadWideNetworks(t *testing.T) {
	ignore := jails(t, "[DEFAULT]\nignoreip = 0.0.0.0/0 10.0.0.0/8 8.0.0.0/15 128.0.0.0/1\n")
	for want, force := range map[string]bool{
		"allow 10.0.0.0/8, skip 0.0.0.0/0, skip 128.0.0.0/1, skip 8.0.0.0/15":        false,
		"allow 10.0.0.0/8, allow 8.0.0.0/15 force, skip 0.0.0.0/0, skip 128.0.0.0/1": true,
	} {
		if got := list(read(t, Source{DB: database(t), IgnoreIP: ignore, Force: force})); got != want {
			t.Errorf("force %t:\n got %s\nwant %s", force, got, want)
		}
	}
}

// Without fail2ban, the error says so instead of naming a system call.
func TestWithoutFail2ban(t *testing.T) {
	_, err := Read(t.Context(), noon, Source{DB: filepath.Join(t.TempDir(), "none.sqlite3")})
	if err == nil || !strings.Contains(err.Error(), "fail2ban is not installed or has never run") || strings.Contains(err.Error(), "stat ") {
		t.Errorf("%v", err)
	}
}

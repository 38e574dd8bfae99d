package test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// promises are what the daemon has reported as done, which a crash must not undo.
type promises struct {
	mu       sync.Mutex
	banned   map[netip.Prefix]string // by the operator or a threshold
	released map[netip.Prefix]bool
	next     int
}

// address returns an address that was not used before.
func (p *promises) address() netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	return netip.AddrFrom4([4]byte{203, 0, byte(p.next >> 8), byte(p.next)})
}

func (p *promises) ban(prefix netip.Prefix, by string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.banned[prefix] = by
}

// by counts the bans by their cause.
func (p *promises) by() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	by := map[string]int{}
	for _, who := range p.banned {
		by[who]++
	}
	return by
}

// tooFew says whether there are too few promises for so many deaths.
func (p *promises) tooFew(deaths int) bool {
	by := p.by()
	return by["operator"] < deaths || by["password guessing"] < deaths/4 || len(p.released) < deaths/2
}

// order bans addresses and releases every third one, until the daemon dies.
func (p *promises) order(ctx context.Context, c *control.Client) {
	for n := 0; ; n++ {
		prefix := netip.PrefixFrom(p.address(), 32)
		long := []string{"1h", "forever"}[n%2]
		if _, err := c.Ban(ctx, control.BanOrder{Prefix: prefix, For: long, Reason: "crash"}); err != nil {
			return
		}
		if n%3 > 0 {
			p.ban(prefix, "operator")
			continue
		}
		if _, err := c.Unban(ctx, control.UnbanOrder{Prefix: prefix}); err != nil {
			return // done or not: the daemon did not confirm it
		}
		p.mu.Lock()
		p.released[prefix] = true
		p.mu.Unlock()
	}
}

// hear records the bans that thresholds caused.
func (p *promises) hear(ctx context.Context, c *control.Client) {
	_ = c.WatchIncidents(ctx, func(i incident.Incident) error {
		for _, s := range i.Steps {
			if s.Step == "ban" && s.State == "done" {
				p.ban(netip.MustParsePrefix(s.Target+"/32"), i.Threshold)
			}
		}
		return nil
	})
}

// kept checks that daemon and kernel hold what was promised.
func (p *promises) kept(b *booth, round int) {
	b.t.Helper()
	bans, err := b.client().Bans(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	book := map[netip.Prefix]incident.Ban{}
	for _, ban := range bans {
		book[ban.Prefix] = ban
	}
	kernel := b.hosts()
	for prefix, by := range p.banned {
		if _, ok := book[prefix]; !ok || !kernel[prefix] {
			b.t.Fatalf("round %d: %s, banned by %s, is lost (daemon: %t, kernel: %t)", round, prefix, by, ok, kernel[prefix])
		}
	}
	for prefix := range p.released {
		if _, ok := book[prefix]; ok || kernel[prefix] {
			b.t.Fatalf("round %d: %s, released, is back (daemon: %t, kernel: %t)", round, prefix, ok, kernel[prefix])
		}
	}
}

// hosts are the single IPv4 addresses that the kernel drops, entirely or from Asterisk's
// ports.
func (b *booth) hosts() map[netip.Prefix]bool {
	b.t.Helper()
	hosts := map[netip.Prefix]bool{}
	for _, set := range []string{"hosts4", "asterisk4"} {
		for _, address := range b.elements(set) {
			hosts[netip.PrefixFrom(netip.MustParseAddr(address), 32)] = true
		}
	}
	return hosts
}

// elements are those of a set of the table.
func (b *booth) elements(set string) (out []string) {
	b.t.Helper()
	var listing struct {
		Nftables []struct {
			Set *struct {
				Elem []json.RawMessage `json:"elem"`
			} `json:"set"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(b.nft("-j", "list", "set", "inet", "tollwarden", set)), &listing); err != nil {
		b.t.Fatal(err)
	}
	for _, object := range listing.Nftables {
		if object.Set == nil {
			continue
		}
		for _, raw := range object.Set.Elem {
			var timed struct {
				Elem struct{ Val string } `json:"elem"`
			}
			var plain string
			if json.Unmarshal(raw, &plain) != nil {
				if err := json.Unmarshal(raw, &timed); err != nil {
					b.t.Fatal(err)
				}
				plain = timed.Elem.Val
			}
			out = append(out, plain)
		}
	}
	return out
}

// answering waits until the daemon answers commands.
func (b *booth) answering() {
	b.t.Helper()
	b.wait("an answer", func() bool { _, err := b.client().Accounts(b.t.Context()); return err == nil })
}

// onlyGuessing is a configuration with one rule.
const onlyGuessing = `
[[threshold]]
name = "password guessing"
per = "source"
signals = { ChallengeResponseFailed = 1 }
score = 3
within = "1h"
playbook = "block"

[[playbook]]
name = "block"
steps = ["ban"]
`

// The daemon is killed a hundred times at random moments, every tenth time with
// a reboot of the machine: what it reported as done stays done.
func TestKilledAHundredTimes(t *testing.T) {
	t.Parallel()
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	const health = "127.0.0.1:9465"
	b := newBooth(t, onlyGuessing+"[health]\nlisten = \""+health+"\"\n") // no rule for networks: each guesser has its own ban
	p := &promises{banned: map[netip.Prefix]string{}, released: map[netip.Prefix]bool{}}
	began := time.Now()
	round := 0
	for ; round < rounds || round < 5*rounds && p.tooFew(rounds); round++ { // a busy machine promises less in a round
		b.launch()
		b.answering()
		p.kept(b, round)
		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for range 2 {
			workers.Go(func() { p.order(ctx, b.client()) })
		}
		workers.Go(func() { p.hear(ctx, b.client()) })
		workers.Go(func() {
			for range 20 {
				b.pbx.Raw("security", guesses("1002", p.address().String(), 3))
				time.Sleep(10 * time.Millisecond)
			}
		})
		time.Sleep(time.Duration(rand.IntN(250)) * time.Millisecond)
		reboot := round%10 == 9
		if reboot {
			cancel() // nothing more is promised; what was queued last has still to be written
			b.wait("every row to be on the disk", func() bool {
				return strings.Contains(get(t, health, "/metrics"), "\ntollwarden_ledger_pending_rows 0\n")
			})
		}
		b.stop(syscall.SIGKILL)
		cancel()
		workers.Wait()
		if reboot {
			b.nft("delete", "table", "inet", "tollwarden")
		}
	}
	b.launch()
	b.answering()
	p.kept(b, round)
	t.Logf("%d deaths in %s: kept %v bans and %d releases", round, time.Since(began).Round(time.Second), p.by(), len(p.released))
	if p.tooFew(rounds) {
		t.Errorf("too little was promised to prove much: %v, %d released", p.by(), len(p.released))
	}
}

// After a reboot every ban that has not expired is in the kernel before the PBX is
// reached; a plain restart changes nothing in the kernel.
func TestBansOutliveTheMachine(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	at := []string{"--socket", b.socket()}
	b.start()
	b.pbx.Raw("security", guesses("1002", "203.0.113.5", 3))
	b.wait("the ban of the guesser", func() bool { return b.dropped("203.0.113.5/32") })
	b.must(append([]string{"ban", "203.0.113.6", "--forever"}, at...)...)
	b.must(append([]string{"ban", "192.0.2.0/24", "--for", "7d"}, at...)...)
	b.must(append([]string{"ban", "2001:db8:7::/64", "--for", "7d"}, at...)...)
	b.must(append([]string{"ban", "203.0.113.7", "--for", "1s"}, at...)...)
	for n := range 10 { // members of a network take turns, and prove nothing
		b.pbx.Raw("security", strings.ReplaceAll(guess("1002", fmt.Sprintf("100.64.9.%d", n+1), 0), "/TCP/", "/UDP/"))
	}
	b.wait("the network to be closed", func() bool { return b.dropped("100.64.9.0/24") })
	before, err := b.client().Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := b.client().Status(t.Context()); err != nil || s.Firewall.NetworksClosed != 1 {
		t.Errorf("status: %+v, %v", s.Firewall, err)
	}
	table := b.nft("-a", "list", "table", "inet", "tollwarden")
	time.Sleep(1100 * time.Millisecond) // the last one expires

	b.stop(syscall.SIGTERM)
	b.start()
	handle := func(listing string) string { return strings.SplitN(listing, "\n", 2)[0] }
	if again := b.nft("-a", "list", "table", "inet", "tollwarden"); handle(again) != handle(table) || !strings.Contains(table, "# handle ") {
		t.Errorf("a plain restart created the table again:\n%s\n%s", handle(table), handle(again))
	}
	if !strings.Contains(b.log.String(), `"table":"adopted"`) {
		t.Error("the log does not say that the table was taken over")
	}

	// The machine comes up without Asterisk: nothing answers the daemon's login.
	b.stop(syscall.SIGKILL)
	b.nft("flush", "ruleset")
	b.pbx.Hang(true)
	b.launch()
	b.answering()
	for _, prefix := range []string{"203.0.113.5/32", "203.0.113.6/32", "192.0.2.0/24", "2001:db8:7::/64", "100.64.9.0/24"} {
		if !b.dropped(prefix) {
			t.Errorf("%s is not dropped after the reboot", prefix)
		}
	}
	after, err := b.client().Bans(t.Context())
	if err != nil || len(after) != 5 || b.dropped("203.0.113.7/32") {
		t.Errorf("bans after the reboot: %+v, %v", after, err)
	}
	for _, a := range after {
		for _, was := range before {
			if a.Prefix == was.Prefix && (a.Reason != was.Reason || a.Origin != was.Origin || a.Offence != was.Offence || a.Repeat != was.Repeat || a.Scope != was.Scope || a.Forever() != was.Forever()) {
				t.Errorf("%+v became %+v", was, a)
			}
		}
	}
	if s, err := b.client().Status(t.Context()); err != nil || s.Asterisk.ConnectedSince != nil || s.Health == control.Healthy {
		t.Errorf("without a PBX the status is %+v, %v", s, err)
	}
	b.pbx.Hang(false)
	b.wait("a session and health", func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Health == control.Healthy
	})
}

// A rotation that a crash interrupted is carried out after the restart.
func TestInterruptedContainmentIsFinished(t *testing.T) {
	t.Parallel()
	b := newBooth(t, "")
	b.start()
	b.pbx.Delay(3 * time.Second) // every answer to an action
	b.pbx.Raw("security", guesses("1002", "203.0.113.6", 2)+guesses("1002", "203.0.113.7", 2)+rightGuess("1002", "203.0.113.7"))
	b.wait("the break-in to be noticed", func() bool {
		list, err := b.client().Incidents(t.Context(), 10)
		return err == nil && len(list) == 1
	})
	b.wait("its steps to be on the disk", func() bool { return b.stepsOnDisk() > 0 })
	b.stop(syscall.SIGKILL)
	b.pbx.Delay(0)
	if b.pbx.Secret("1002") != "easy-1002" {
		t.Fatal("the rotation was over before the crash")
	}
	b.start()
	b.wait("the rotation", func() bool { return b.pbx.Secret("1002") != "easy-1002" })
	b.wait("the outcome of every step", func() bool {
		i, err := b.client().Incident(t.Context(), 1)
		for _, s := range i.Steps {
			if s.State == "intended" {
				return false
			}
		}
		return err == nil
	})
	i, err := b.client().Incident(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range i.Steps {
		if s.State != "done" && s.Step != "notify" {
			t.Errorf("%s is %s: %s", s.Step, s.State, s.Detail)
		}
	}

	// A guesser beside a phone is one incident; after a crash the next one lists what is new.
	beside := func(port int, accounts ...string) {
		for n, account := range accounts {
			b.pbx.Raw("security", strings.ReplaceAll(guess(account, "198.51.100.10", port+n), "198.51.100.10/5060", fmt.Sprintf("198.51.100.10/%d", port)))
		}
	}
	newest := func(guesses int) (i incident.Incident) {
		b.wait(fmt.Sprintf("an incident about the phone's address with %d guesses", guesses), func() bool {
			list, err := b.client().Incidents(t.Context(), 1)
			if err == nil && len(list) == 1 && list[0].Key.Value() == "198.51.100.10" {
				i, err = b.client().Incident(t.Context(), list[0].ID)
			}
			return err == nil && len(i.Evidence) == guesses
		})
		return i
	}
	beside(40001, "1002", "1003", "1004")
	first := newest(3)
	beside(40002, "1002", "1003", "1004")
	if i := newest(6); i.ID != first.ID {
		t.Errorf("the guesser is incident %d, and then %d", first.ID, i.ID)
	}
	beside(40003, "1005")
	b.run("incidents", "--socket", b.socket()).wants(t, "incidents", 0, "address 198.51.100.10")
	newest(7)
	b.stop(syscall.SIGKILL)
	b.start()
	beside(40004, "1002", "1003", "1004")
	if i := newest(3); i.ID != first.ID+1 || !strings.Contains(i.Reason, fmt.Sprintf("; incident %d lists what came before", first.ID)) {
		t.Errorf("after a crash: incident %d: %s", i.ID, i.Reason)
	}
}

// stepsOnDisk is how many steps of incidents the ledger's file holds as intended.
func (b *booth) stepsOnDisk() (n int) {
	b.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.data(), "ledger.db")+"?mode=ro")
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(b.t.Context(), "SELECT count(*) FROM steps WHERE state = 'intended'").Scan(&n); err != nil {
		return 0 // locked for a moment
	}
	return n
}

// Whatever is wrong with the disk, guessers are banned in the kernel, status names
// the problem, and what happened meanwhile is written once the disk works again.
func TestGoesOnWithoutItsDisk(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(b *booth) (repair func()){
		"full":      fullDisk,
		"read-only": readOnlyDisk,
		"locked":    lockedLedger,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooth(t, "")
			if err := os.Mkdir(b.data(), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("tmpfs", b.data(), "tmpfs", 0, "size=2m"); err != nil {
				t.Skipf("needs to mount a tmpfs: %v", err)
			}
			t.Cleanup(func() { b.stop(syscall.SIGTERM); _ = syscall.Unmount(b.data(), syscall.MNT_DETACH) })
			b.start()
			b.must("ban", "192.0.2.1", "--for", "1h", "--socket", b.socket())
			repair := trouble(b)
			for n := range 5 { // so that the ledger notices
				b.pbx.Raw("security", guesses("1002", fmt.Sprintf("203.0.113.%d", n), 3))
			}
			for n := range 5 {
				b.wait("a ban in the kernel", func() bool { return b.dropped(fmt.Sprintf("203.0.113.%d/32", n)) })
			}
			b.wait("a degraded ledger", func() bool {
				s := b.run("status", "--socket", b.socket())
				return s.code == 4 && strings.Contains(s.out, "ledger") && strings.Contains(s.out, "rows pending")
			})
			b.run("ban", "192.0.2.2", "--for", "1h", "--socket", b.socket()).wants(t, "a ban by hand", 0, "in force, but not yet on disk")
			repair()
			b.wait("a healthy ledger", func() bool {
				s, err := b.client().Status(t.Context())
				return err == nil && s.Health == control.Healthy
			})
			b.stop(syscall.SIGKILL)
			b.nft("flush", "ruleset") // what comes back comes from the disk
			b.start()
			if bans, err := b.client().Bans(t.Context()); err != nil || len(bans) != 8 { // five guessers, their network, and two by hand
				t.Errorf("%d bans came back from the disk, %v; want 8: %+v", len(bans), err, bans)
			}
			for _, prefix := range []string{"192.0.2.1/32", "192.0.2.2/32", "203.0.113.4/32"} {
				if !b.dropped(prefix) {
					t.Errorf("%s is not dropped", prefix)
				}
			}
		})
	}
}

func fullDisk(b *booth) (repair func()) {
	path := filepath.Join(b.data(), "ballast")
	f, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	return func() { _ = os.Remove(path) }
}

// readOnlyDisk mounts an empty read-only folder over the data. (The kernel makes a
// disk with open files read-only only when it is faulty.)
func readOnlyDisk(b *booth) (repair func()) {
	hidden := b.data() + ".ro"
	if err := os.Mkdir(hidden, 0o500); err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Mount(hidden, b.data(), "", syscall.MS_BIND, ""); err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Mount("", b.data(), "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if err := syscall.Unmount(b.data(), syscall.MNT_DETACH); err != nil {
			b.t.Error(err)
		}
	}
}

func lockedLedger(b *booth) (repair func()) {
	db, err := sql.Open("sqlite", filepath.Join(b.data(), "ledger.db"))
	if err != nil {
		b.t.Fatal(err)
	}
	conn, err := db.Conn(b.t.Context())
	if err == nil {
		_, err = conn.ExecContext(b.t.Context(), "BEGIN EXCLUSIVE")
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if err := errors.Join(conn.Close(), db.Close()); err != nil {
			b.t.Error(err)
		}
	}
}

// The ledger is damaged at the start, or its folder cannot be written: the kernel's
// bans stay, new guessers are stopped, and status names the problem.
func TestStartsWithoutItsLedger(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trouble func(b *booth)
		want    string
	}{
		"broken": {func(b *booth) {
			path := filepath.Join(b.data(), "ledger.db")
			_ = os.Remove(path + "-wal") // SQLite would repair the file from it
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}, "damaged"},
		"no folder": {func(b *booth) {
			if err := os.RemoveAll(b.data()); err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(b.data(), []byte("a file in its place"), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooth(t, "")
			b.start()
			b.must("ban", "192.0.2.1", "--for", "1h", "--socket", b.socket())
			b.stop(syscall.SIGKILL)
			tc.trouble(b)
			b.start()
			b.pbx.Raw("security", guesses("1002", "203.0.113.5", 3))
			b.wait("a ban in the kernel", func() bool { return b.dropped("203.0.113.5/32") })
			if !b.dropped("192.0.2.1/32") {
				t.Error("the earlier ban is gone")
			}
			bans, err := b.client().Bans(t.Context())
			if err != nil || len(bans) != 2 || bans[1].Origin != "kernel" {
				t.Errorf("bans: %+v, %v", bans, err)
			}
			b.run("status", "--socket", b.socket()).wants(t, "status", 4, "records", tc.want)
		})
	}
}

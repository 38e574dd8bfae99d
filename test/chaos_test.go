package test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// Bounds that the chaos test holds the daemon to.
const (
	// dropBound is how long an attacker who goes on guessing may stay undropped
	// once nothing is disturbed any more.
	dropBound = 5 * time.Second
	// holeBound is how long a ban may be missing from the kernel after
	// somebody's hand was in the ruleset. It holds while the daemon runs.
	holeBound = time.Second
)

// Environment of the chaos test.
const (
	chaosTime = "TOLLWARDEN_CHAOS"      // how long, such as 10m; one round without it
	chaosSeed = "TOLLWARDEN_CHAOS_SEED" // to repeat a run
)

// Attackers of all kinds guess while everything around the daemon breaks, in an
// order that a seed decides: the daemon is killed, Asterisk restarts, freezes
// and loses its connections, others flush and pick at the ruleset, the disk is
// full, events flood in, and the configuration is reloaded, right and wrong.
func TestChaos(t *testing.T) {
	seed := uint64(7)
	if s := os.Getenv(chaosSeed); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	length := time.Duration(0)
	if s := os.Getenv(chaosTime); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d (%s=%d repeats the order)", seed, chaosSeed, seed)
	c := newChaos(t, seed)
	c.round([]string{"daemon killed"}) // so that what follows is one process's
	before := c.vitals()
	end := time.Now().Add(length)
	for {
		names := slices.Sorted(maps.Keys(c.disturbances()))
		names = slices.DeleteFunc(names, func(n string) bool { return n == "daemon killed" })
		c.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		c.round(names)
		if !time.Now().Before(end) {
			break
		}
	}
	c.settle()
	c.stop()
	c.checkVitals(before)
	c.round([]string{"daemon killed"})
	c.verdict()
}

// chaos is the lab, its people and what is seen of them.
type chaos struct {
	t   *testing.T
	l   *lab.Lab
	w   *warden
	rng *rand.Rand

	end     context.CancelFunc
	running sync.WaitGroup
	phones  []netip.Addr
	done    map[string]int // disturbances

	mu        sync.Mutex
	attackers map[netip.Addr]*attack
	touched   map[netip.Addr]bool // phones seen in a set
	looks     int
	excused   time.Time // holes until then are those of a daemon that is not there
}

// attack is one attacker as the kernel shows it.
type attack struct {
	began, dropped time.Time
	missing        time.Time // since when its drop is missing again
	hole           time.Duration
}

const chaosSettings = "claimed = \"1h\"\n[firewall]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n"

func newChaos(t *testing.T, seed uint64) *chaos {
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	c := &chaos{
		t: t, l: l, rng: rand.New(rand.NewPCG(seed, 1)), done: map[string]int{},
		attackers: map[netip.Addr]*attack{}, touched: map[netip.Addr]bool{},
	}
	c.w = &warden{t: t, lab: l, dir: t.TempDir()}
	c.w.configure(c.settings(3))
	data := filepath.Join(c.w.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(data, unix.MNT_DETACH) })
	c.w.start()
	t.Cleanup(func() {
		c.w.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", c.w.log)
		}
	})
	if out, err := c.w.tollwarden("ban", "203.0.113.254", "--forever", "--socket", c.w.socket()); err != nil { // so that no set is empty
		t.Fatalf("ban: %v: %s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	t.Cleanup(func() { cancel(); c.running.Wait() })
	for i, account := range []string{"1001", "1003"} {
		address := fmt.Sprintf("198.51.100.%d", 10+i)
		p := addPhone(t, addHost(t, l, fmt.Sprintf("office%d", i), address), account)
		register(t, p)
		c.phones = append(c.phones, netip.MustParseAddr(address))
		c.running.Go(func() { c.live(ctx, p) })
	}
	c.running.Go(func() { c.attack(ctx, rand.New(rand.NewPCG(seed, 2))) })
	c.running.Go(func() { c.look(ctx) })
	return c
}

func (c *chaos) settings(score int) string {
	return fmt.Sprintf("log = %q\n", c.l.Path("/var/log/asterisk/messages")) + "[bans]\n" + chaosSettings + health + shortRules(score)
}

// live is a phone's day: it registers again and again, and is patient with a
// PBX that does not answer.
func (c *chaos) live(ctx context.Context, p *lab.Phone) {
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_ = p.Register(try) // what matters is whether it is ever dropped
		cancel()
		pause(ctx, time.Second)
	}
}

// attack brings one attacker after the other. Each goes on until the kernel
// drops it.
func (c *chaos) attack(ctx context.Context, rng *rand.Rand) {
	for n := 1; ctx.Err() == nil && n < 250; n++ {
		network := fmt.Sprintf("203.0.113.%d", n)
		rove := rng.IntN(4) == 0
		if rove {
			network = fmt.Sprintf("2001:db8:bad:%x::/64", n)
		}
		account := "1002"
		if rng.IntN(3) == 0 {
			account = fmt.Sprintf("9%03d", n) // does not exist
		}
		h, err := c.l.Host(fmt.Sprintf("bad%d", n), network)
		if err != nil {
			c.t.Error(err)
			return
		}
		key := h.Range().Addr()
		c.mu.Lock()
		c.attackers[key] = &attack{began: time.Now()}
		c.mu.Unlock()
		g := lab.Guesser{Host: h, Account: account, Rate: 40, Most: 20, Ask: true, Rove: rove}
		c.running.Go(func() {
			for ctx.Err() == nil && !c.isDropped(key) {
				if _, err := g.Run(ctx); err != nil && !errors.Is(err, lab.ErrNoAnswer) && ctx.Err() == nil {
					pause(ctx, 100*time.Millisecond)
				}
			}
		})
		pause(ctx, time.Duration(1000+rng.IntN(1500))*time.Millisecond)
	}
}

func (c *chaos) isDropped(a netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.attackers[a].dropped.IsZero()
}

// look asks the kernel again and again who is dropped.
func (c *chaos) look(ctx context.Context) {
	for ctx.Err() == nil {
		listing, err := c.l.PBX.Command(ctx, "nft", "-j", "list", "table", "inet", "tollwarden").Output()
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		c.mu.Lock()
		c.looks++
		for a, k := range c.attackers {
			there := err == nil && kernelHolds(c.t, listing, netip.PrefixFrom(a, a.BitLen()))
			switch {
			case there && k.dropped.IsZero():
				k.dropped = now
			case there && !k.missing.IsZero():
				k.missing = time.Time{}
			case !there && !k.dropped.IsZero():
				if k.missing.IsZero() || now.Before(c.excused) {
					k.missing = now
				}
				k.hole = max(k.hole, now.Sub(k.missing))
			}
		}
		for _, a := range c.phones {
			if err == nil && kernelHolds(c.t, listing, netip.PrefixFrom(a, a.BitLen())) {
				c.touched[a] = true
			}
		}
		c.mu.Unlock()
		pause(ctx, 50*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// disturbances by name. Each returns when it has happened.
func (c *chaos) disturbances() map[string]func() {
	nft := func(command string) func() {
		return func() {
			out, err := c.l.PBX.Command(context.Background(), "nft", command).CombinedOutput()
			if err != nil {
				c.t.Errorf("nft %s: %v: %s", command, err, out)
			}
		}
	}
	check := func(err error) {
		if err != nil {
			c.t.Error(err)
		}
	}
	return map[string]func(){
		"daemon killed": func() {
			c.w.stop(syscall.SIGKILL)
			c.w.start()
		},
		"Asterisk restarted": func() { check(c.l.Restart(c.t.Context())) },
		"Asterisk frozen": func() {
			check(c.l.Freeze())
			time.Sleep(10 * time.Second) // longer than the keep-alive's patience
			check(c.l.Thaw())
		},
		"AMI cut": func() {
			out, err := c.l.PBX.Command(context.Background(), "ss", "-K", "dport", "=", "5038").CombinedOutput()
			if err != nil {
				c.t.Errorf("ss -K: %v: %s", err, out)
			}
		},
		"ruleset flushed": nft("flush ruleset"),
		"table deleted":   nft("delete table inet tollwarden"),
		"set flushed":     nft("flush set inet tollwarden hosts4"),
		"rules flushed":   nft("flush chain inet tollwarden incoming"),
		"rule inserted":   nft("insert rule inet tollwarden incoming accept"),
		"flood":           c.flood,
		"disk full":       c.fillDisk,
		"reload": func() {
			c.w.configure(c.settings(2 + c.rng.IntN(3)))
			if out, err := c.w.tollwarden("reload", "--socket", c.w.socket()); err != nil {
				c.t.Errorf("reload: %v: %s", err, out)
			}
		},
		"wrong reload": func() {
			c.w.configure(c.settings(0))
			if out, err := c.w.tollwarden("reload", "--socket", c.w.socket()); err == nil {
				c.t.Errorf("a wrong configuration was taken: %s", out)
			}
			c.w.configure(c.settings(3))
		},
	}
}

// handsOnRuleset are the disturbances that the daemon must report as damage.
var handsOnRuleset = []string{"ruleset flushed", "table deleted", "set flushed", "rules flushed", "rule inserted"}

// round disturbs in this order, and waits for the daemon to be well again after
// each.
func (c *chaos) round(names []string) {
	c.t.Helper()
	for _, name := range names {
		began := time.Now()
		if name == "daemon killed" {
			c.excuse(time.Now().Add(time.Hour))
		}
		c.disturbances()[name]()
		if name == "daemon killed" {
			c.excuse(time.Now())
		}
		c.done[name]++
		if slices.Contains(handsOnRuleset, name) {
			c.w.wait("the report of: "+name, 5*time.Second, func() bool { return c.reported() == c.damages() })
		}
		well := c.w.wait("health after: "+name, 40*time.Second, func() bool {
			s, err := c.w.client().Status(c.t.Context())
			return err == nil && s.Health == control.Healthy
		})
		c.t.Logf("%-20s took %5.1f s, healthy %4.1f s later", name, (time.Since(began) - well).Seconds(), well.Seconds())
		time.Sleep(time.Duration(200+c.rng.IntN(500)) * time.Millisecond)
	}
}

func (c *chaos) excuse(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excused = until
}

func (c *chaos) damages() (n int) {
	for _, name := range handsOnRuleset {
		n += c.done[name]
	}
	return n
}

// reported is how often the log of all the daemon's lives tells of damage.
func (c *chaos) reported() int {
	return strings.Count(c.w.log.String(), "the kernel's table was damaged: restored")
}

// flood makes as many events as the PBX can, from one /64.
func (c *chaos) flood() {
	h, err := c.l.Host(fmt.Sprintf("flood%d", c.done["flood"]), fmt.Sprintf("2001:db8:f:%x::/64", c.done["flood"]))
	if err != nil {
		c.t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	if _, err := (lab.Guesser{Host: h, Account: "1002", Rate: 2000, Ask: true, Rove: true}).Run(ctx); err != nil {
		c.t.Error(err)
	}
}

// fillDisk leaves the ledger no room for a while, in which bans must go on.
func (c *chaos) fillDisk() {
	path := filepath.Join(c.w.dir, "data", "ballast")
	f, err := os.Create(path)
	if err != nil {
		c.t.Error(err)
		return
	}
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	_ = f.Close()
	time.Sleep(3 * time.Second)
	if err := os.Remove(path); err != nil {
		c.t.Error(err)
	}
}

// settle waits until every attacker is dropped, now that nothing is disturbed.
func (c *chaos) settle() {
	c.t.Helper()
	c.w.wait("every attacker to be dropped", dropBound, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, k := range c.attackers {
			if k.dropped.IsZero() && time.Since(k.began) > dropBound/2 {
				return false
			}
		}
		return true
	})
}

// stop sends everybody home and waits for them.
func (c *chaos) stop() {
	c.end()
	c.running.Wait()
}

// vital signs of the daemon's process.
type vitals struct{ goroutines, descriptors, memory float64 }

func (c *chaos) vitals() vitals {
	return vitals{c.w.metric("go_goroutines"), c.w.metric("process_open_fds"), c.w.metric("process_resident_memory_bytes")}
}

func (c *chaos) checkVitals(before vitals) {
	c.t.Helper()
	const moreGoroutines, moreDescriptors, moreMemory = 8, 8, 96 << 20
	var after vitals
	for range 50 { // what ends takes a moment
		after = c.vitals()
		if after.goroutines <= before.goroutines+moreGoroutines && after.descriptors <= before.descriptors+moreDescriptors {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Logf("goroutines %v -> %v, descriptors %v -> %v, resident memory %.0f -> %.0f MiB", before.goroutines, after.goroutines,
		before.descriptors, after.descriptors, before.memory/(1<<20), after.memory/(1<<20))
	if after.goroutines > before.goroutines+moreGoroutines || after.descriptors > before.descriptors+moreDescriptors || after.memory > before.memory+moreMemory {
		c.t.Errorf("something leaks: %+v before, %+v after", before, after)
	}
}

// verdict is what the whole was for.
func (c *chaos) verdict() {
	c.t.Helper()
	bans, err := c.w.client().Bans(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	booked := map[netip.Addr]bool{}
	for _, b := range bans {
		booked[b.Prefix.Addr()] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var slowest, hole time.Duration
	dropped := 0
	for a, k := range c.attackers {
		if k.dropped.IsZero() {
			continue // came too late to cross a threshold: settle has seen to that
		}
		dropped++
		slowest, hole = max(slowest, k.dropped.Sub(k.began)), max(hole, k.hole)
		if !booked[a] || !c.w.dropped(netip.PrefixFrom(a, a.BitLen()).String()) {
			c.t.Errorf("the ban of %s is lost: booked %v", a, booked[a])
		}
	}
	if dropped < 5 {
		c.t.Errorf("only %d attackers were dropped: this proves little", dropped)
	}
	if hole > holeBound {
		c.t.Errorf("a ban was missing from the kernel for %s", hole)
	}
	for a := range c.touched {
		c.t.Errorf("the phone at %s was dropped", a)
	}
	for _, b := range bans {
		if slices.Contains(c.phones, b.Prefix.Addr()) {
			c.t.Errorf("a phone is banned: %+v", b)
		}
	}
	log := c.w.log.String()
	if n := c.reported(); n != c.damages() {
		c.t.Errorf("%d of %d damages to the table were reported", n, c.damages())
	}
	if n, least := strings.Count(log, "blind_from"), c.done["AMI cut"]+c.done["Asterisk restarted"]+c.done["Asterisk frozen"]; n < least {
		c.t.Errorf("%d gaps were reported, want %d", n, least)
	}
	if n := strings.Count(log, "the configuration is refused"); n != c.done["wrong reload"] {
		c.t.Errorf("%d of %d wrong configurations were reported", n, c.done["wrong reload"])
	}
	if n := strings.Count(log, "the configuration is in force"); n != c.done["reload"] {
		c.t.Errorf("%d of %d reloads were reported", n, c.done["reload"])
	}
	if c.done["disk full"] > 0 && !strings.Contains(log, "ledger") {
		c.t.Error("the full disk was not reported")
	}
	c.t.Logf("%d attackers dropped, the slowest %.1f s after its first packet, with everything that was disturbed meanwhile; the longest hole in a ban %s; %d looks at the kernel",
		dropped, slowest.Seconds(), hole.Round(time.Millisecond), c.looks)
}

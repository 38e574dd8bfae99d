package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
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
	end := time.Now().Add(length)
	for n := 0; ; n++ {
		names := slices.Sorted(maps.Keys(c.disturbances()))
		if n%2 == 1 { // what leaks in a process shows over two rounds of its life
			names = slices.DeleteFunc(names, func(n string) bool { return n == daemonKilled })
		}
		c.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		c.round(names)
		if !time.Now().Before(end) {
			break
		}
	}
	c.settle()
	c.stop()
	c.checkVitals()
	c.verdict()
}

// chaos is the lab, its people and what is seen of them.
type chaos struct {
	t     *testing.T
	l     *lab.Lab
	w     *warden
	relay *relay
	rng   *rand.Rand

	end     context.CancelFunc
	running sync.WaitGroup
	phones  []netip.Addr
	done    map[string]int // disturbances
	begun   vitals         // of the daemon's present life

	mu        sync.Mutex
	attackers map[netip.Addr]*attack
	touched   map[netip.Addr]bool // phones seen in a set
	looks     int
	disturbed []spell   // the last may not be over
	excused   time.Time // holes until then are those of a daemon that is not there
}

const chaosSettings = "spoofable = \"1h\"\n[firewall]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n"

func newChaos(t *testing.T, seed uint64) *chaos {
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	c := &chaos{
		t: t, l: l, relay: newRelay(t, l), rng: rand.New(rand.NewPCG(seed, 1)), done: map[string]int{},
		attackers: map[netip.Addr]*attack{}, touched: map[netip.Addr]bool{},
	}
	c.w = &warden{t: t, lab: l, dir: t.TempDir(), ami: c.relay.address()}
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
	c.begun = c.vitals()
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
	c.running.Go(func() { c.attackAll(ctx, rand.New(rand.NewPCG(seed, 2))) })
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

// round disturbs in this order, and waits for the daemon to be well again after
// each.
func (c *chaos) round(names []string) {
	c.t.Helper()
	for _, name := range names {
		if name == daemonKilled {
			c.checkVitals()
		}
		began := time.Now()
		c.disturbing(name, began)
		c.disturbances()[name]()
		c.done[name]++
		if slices.Contains(handsOnRuleset, name) {
			c.w.wait("the report of: "+name, 5*time.Second, func() bool { return c.reported() == c.damages() })
		}
		well := c.w.wait("health after: "+name, 40*time.Second, func() bool {
			s, err := c.w.client().Status(c.t.Context())
			return err == nil && s.Health == control.Healthy
		})
		c.calm(time.Now())
		c.t.Logf("%-20s took %5.1f s, healthy %4.1f s later", name, (time.Since(began) - well).Seconds(), well.Seconds())
		if name == daemonKilled {
			c.begun = c.vitals()
		}
		time.Sleep(time.Duration(200+c.rng.IntN(500)) * time.Millisecond)
	}
	time.Sleep(2 * quietBound) // some attackers have an undisturbed daemon
}

// settle waits until every attacker is dropped, now that nothing is disturbed.
func (c *chaos) settle() {
	c.t.Helper()
	c.w.wait("every attacker to be dropped", quietBound, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, k := range c.attackers {
			if k.dropped.IsZero() && !k.over.IsZero() && time.Since(k.over) > quietBound/2 {
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

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

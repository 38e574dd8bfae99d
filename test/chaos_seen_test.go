package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// Bounds that the chaos test holds the daemon to. An attacker is over the
// threshold when Asterisk has answered as many of his guesses as any threshold
// of the test asks for.
const (
	threshold = 5 // guesses
	// quietBound is how long one may stay undropped when nothing is disturbed.
	quietBound = 2 * time.Second
	// disturbedBound is how long when something is, or was until a moment ago.
	disturbedBound = 10 * time.Second
	// holeBound is how long a ban may be missing from the kernel after
	// somebody's hand was in the ruleset. It holds while the daemon runs.
	holeBound = time.Second
)

// attack is one attacker as Asterisk answers him and as the kernel shows him.
type attack struct {
	answers       int
	over, dropped time.Time
	missing       time.Time // since when its drop is missing again
	hole          time.Duration
}

// spell is a time of trouble, up to the daemon's word that it is healthy.
type spell struct {
	name     string
	from, to time.Time
}

// attackAll brings one attacker after the other. Each goes on until the kernel
// drops it.
func (c *chaos) attackAll(ctx context.Context, rng *rand.Rand) {
	for n := 1; ctx.Err() == nil && n < 2000; n++ {
		network := fmt.Sprintf("198.18.%d.%d", n/250, 1+n%250)
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
		c.attackers[key] = &attack{}
		c.mu.Unlock()
		g := lab.Guesser{Host: h, Account: account, Rate: 40, Most: 20, Ask: true, Rove: rove, Heard: func() { c.answered(key) }}
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

func (c *chaos) answered(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.attackers[a]
	if k.answers++; k.answers == threshold {
		k.over = time.Now()
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

func (c *chaos) excuse(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excused = until
}

func (c *chaos) disturbing(name string, from time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disturbed = append(c.disturbed, spell{name: name, from: from})
}

func (c *chaos) calm(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disturbed[len(c.disturbed)-1].to = now
}

// troubles are what went on between two times.
func (c *chaos) troubles(from, to time.Time) (names []string) {
	for _, s := range c.disturbed {
		if s.from.Before(to) && s.to.After(from) {
			names = append(names, s.name)
		}
	}
	return names
}

// vitals are vital signs of the daemon's process.
type vitals struct{ goroutines, descriptors, memory float64 }

func (c *chaos) vitals() vitals {
	return vitals{c.w.metric("go_goroutines"), c.w.metric("process_open_fds"), c.w.metric("process_resident_memory_bytes")}
}

// checkVitals sees that nothing has leaked in the daemon's present life.
func (c *chaos) checkVitals() {
	c.t.Helper()
	const moreGoroutines, moreDescriptors, moreMemory = 8, 8, 96 << 20
	before, after := c.begun, vitals{}
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
	var quiet, disturbed, hole time.Duration
	calm, dropped, worst := 0, 0, ""
	for a, k := range c.attackers {
		if k.dropped.IsZero() {
			continue // came too late to cross a threshold: settle has seen to that
		}
		dropped++
		hole = max(hole, k.hole)
		late := time.Duration(0) // dropped before the answers were back
		if k.over.Before(k.dropped) && !k.over.IsZero() {
			late = k.dropped.Sub(k.over)
		}
		switch troubles := c.troubles(k.over, k.dropped); {
		case len(troubles) == 0:
			calm++
			quiet = max(quiet, late)
		case late > disturbed:
			disturbed, worst = late, strings.Join(troubles, ", ")
		}
		if !booked[a] || !c.w.dropped(netip.PrefixFrom(a, a.BitLen()).String()) {
			c.t.Errorf("the ban of %s is lost: booked %v", a, booked[a])
		}
	}
	c.t.Logf("%d attackers dropped, %d of them while nothing was disturbed; undropped over the threshold for %.2f s at most, with disturbances %.2f s (%s); the longest hole in a ban %s; %d looks at the kernel",
		dropped, calm, quiet.Seconds(), disturbed.Seconds(), worst, hole.Round(time.Millisecond), c.looks)
	if dropped < 5 {
		c.t.Errorf("only %d attackers were dropped: this proves little", dropped)
	}
	if quiet > quietBound || disturbed > disturbedBound {
		c.t.Error("somebody over the threshold was let guess for too long")
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
	c.reports()
}

// reports sees that every disturbance was reported. That of the full disk, of
// each flood and of each torn event was waited for when it happened.
func (c *chaos) reports() {
	c.t.Helper()
	gaps := c.times("AMI cut", "AMI torn", "Asterisk restarted", "Asterisk frozen", daemonKilled)
	for _, r := range []struct {
		what        string
		told, least int
	}{
		{"damages to the kernel's table", c.reported(), c.damages()},
		{"gaps", c.told(gapTold), gaps},
		{"refused configurations", c.told(refusedFile), c.times("wrong reload")},
		{"new configurations", c.told(newFile), c.times("reload")},
		{"torn events", c.told(tornEvent), c.times("AMI torn")},
	} {
		if r.told < r.least {
			c.t.Errorf("%d of %d %s were reported", r.told, r.least, r.what)
		}
	}
}

package firewall

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxBatch is how many bans go into one transaction. 131,072 take the kernel
// about 0.3 s, during which nobody else can change the ruleset.
const maxBatch = 128 << 10

// slack is how far a ban's end in the kernel may be from the wanted one for
// Restore to leave it alone. Ends read from the kernel are that inexact.
const slack = time.Second

// backend is what the core needs of the kernel or of its model.
type backend interface {
	// apply does one transaction, whole or not at all. The kernel has a clock
	// of its own; its model goes by now, which may be 0 for "no ban has ended".
	apply(now expiry, b *batch) error
	// renew makes the table anew with these elements and no others, without a
	// gap for what is in force before and after.
	renew(contents *batch) error
	// population is how many elements a set has; negative: it is not known.
	// ErrLost: there is no such set.
	population(id setID) (int, error)
	// compare says how the table differs from what it should be.
	compare(now expiry) ([]string, error)
	// hits tells the packets that matched the elements of these keys; those
	// without a counter are passed over.
	hits(id setID, keys []netip.Addr, each func(key netip.Addr, packets uint64)) error
}

// core keeps the mirror and turns what is asked into batches. Kernel and Memory
// are a core with a backend each, so that they cannot differ in what they accept.
type core struct {
	mu     sync.Mutex
	backend   backend
	mirror  mirror
	allow  map[netip.Prefix]expiry // the allow list; the expiries mean nothing
	held   [setCount][]interval       // what the interval sets hold
	unread [setCount]bool         // hash sets that may hold more than is booked
	swept  expiry                  // when the mirror were last swept for room
	closed bool

	limit    int          // bans in a transaction
	maxHosts [SIP + 1]int // bans of addresses in all, by scope
}

func newCore(s backend) core {
	return core{backend: s, mirror: newMirror(), limit: maxBatch, maxHosts: [...]int{All: MaxHosts, SIP: MaxSIP}}
}

// Ban implements Table.
func (c *core) Ban(now time.Time, bans ...Ban) error {
	changes, err := changesOf(now, bans)
	return c.do("ban", err, func() error { return c.update(expiryOf(now), changes, 0) })
}

// Release implements Table.
func (c *core) Release(prefixes ...netip.Prefix) error {
	changes, err := releasesOf(prefixes)
	// A release needs no clock: at the zero expiry no ban has ended yet.
	return c.do("release", err, func() error { return c.update(0, changes, 0) })
}

// Restore implements Table.
func (c *core) Restore(now time.Time, bans []Ban) error {
	changes, err := changesOf(now, bans)
	return c.do("restore", err, func() error { return c.restore(expiryOf(now), changes) })
}

// Include implements Table.
func (c *core) Include(now time.Time, bans []Ban) error {
	changes, err := changesOf(now, bans)
	return c.do("include", err, func() error {
		changes = slices.DeleteFunc(changes, func(o change) bool { return o.release || c.holds(expiryOf(now), o) })
		return c.update(expiryOf(now), changes, slack)
	})
}

// Complete implements Table.
func (c *core) Complete(now time.Time) error {
	return c.do("complete", nil, func() error {
		for id := range setCount {
			if !c.unread[id] {
				continue
			}
			n, err := c.backend.population(id)
			if err != nil {
				return err
			}
			// A few may be running out just now.
			if booked := c.mirror.size(id); n < 0 || n > booked+booked/1000 {
				return c.rebuild(expiryOf(now), c.mirror, c.allow)
			}
		}
		c.unread = [setCount]bool{}
		return nil
	})
}

// Repair implements Table.
func (c *core) Repair(now time.Time) error {
	return c.do("repair", nil, func() error {
		for id := range setCount {
			if !c.unread[id] {
				continue
			}
			// What the kernel has lost needs no reading.
			if _, err := c.backend.population(id); !errors.Is(err, ErrLost) {
				return ErrUnread
			}
		}
		c.unread = [setCount]bool{}
		return c.rebuild(expiryOf(now), c.mirror, c.allow)
	})
}

// Allow implements Table.
func (c *core) Allow(prefixes []netip.Prefix) error {
	list, err := allowanceOf(prefixes)
	return c.do("allow", err, func() error { return c.setAllow(list) })
}

// Verify implements Table.
func (c *core) Verify(now time.Time) (found []string, err error) {
	err = c.do("verify", nil, func() error {
		found, err = c.backend.compare(expiryOf(now))
		return err
	})
	return found, err
}

// Bans implements Table.
func (c *core) Bans(now time.Time) []Ban {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Ban, 0, c.mirror.len())
	for at, s := range c.mirror.all() {
		if !s.over(expiryOf(now)) {
			out = append(out, Ban{at.prefix, s.time(), sets[at.set].scope})
		}
	}
	return out
}

// do runs one operation under the lock, unless its input was refused, and names
// it in its error.
func (c *core) do(op string, refused error, f func() error) error {
	if refused == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if refused = ErrClosed; !c.closed {
			refused = f()
		}
	}
	if refused != nil {
		return fmt.Errorf("firewall: %s: %w", op, refused)
	}
	return nil
}

// update applies changes, at most limit of them in a transaction.
func (c *core) update(now expiry, changes []change, slack time.Duration) error {
	for done := 0; done < len(changes); done += c.limit {
		part := changes[done:min(done+c.limit, len(changes))]
		if err := c.updateOnce(now, part, slack); err != nil {
			if done > 0 {
				return fmt.Errorf("after %d of %d, which are in force: %w", done, len(changes), err)
			}
			return err
		}
	}
	return nil
}

// updateOnce applies changes in one transaction and mirror them when it is through.
func (c *core) updateOnce(now expiry, changes []change, slack time.Duration) error {
	c.makeRoom(now, len(changes))
	var b batch
	nets := c.mirror.nets
	hosts := [...]int{All: c.mirror.hosts(All), SIP: c.mirror.hosts(SIP)}
	for _, o := range changes {
		at := o.key()
		if sets[at.set].interval {
			nets = nil
			continue
		}
		for _, id := range twins(at.set) {
			_, booked := c.mirror.get(setKey{id, o.prefix})
			if booked {
				hosts[sets[id].scope]--
			}
			if booked || c.unread[id] {
				b[id].drop = append(b[id].drop, host(o.prefix.Addr(), o.until))
			}
		}
		if !o.release {
			b[at.set].add = append(b[at.set].add, host(o.prefix.Addr(), o.until))
			hosts[o.scope]++
		}
	}
	held := c.held
	if nets == nil {
		nets = netsAfter(c.mirror.nets, changes, now)
		for _, id := range []setID{prefixes4, prefixes6} {
			b[id].drop, b[id].add, held[id] = diff(c.held[id], disjoint(nets, sets[id].v6), slack)
		}
	}
	if err := c.fits(hosts, len(nets)); err != nil {
		return err
	}
	if b.size() > 0 {
		if err := c.backend.apply(now, &b); err != nil {
			return err
		}
	}
	c.mirror.nets, c.held = nets, held
	c.book(now, changes)
	return nil
}

// fits refuses more bans than there is room for.
func (c *core) fits(hosts [SIP + 1]int, nets int) error {
	if hosts[All] > c.maxHosts[All] || hosts[SIP] > c.maxHosts[SIP] || nets > MaxPrefixes {
		return fmt.Errorf("%w: at most %d addresses, %d addresses with scope SIP and %d prefixes", ErrFull, c.maxHosts[All], c.maxHosts[SIP], MaxPrefixes)
	}
	return nil
}

// book writes changes about single addresses into the mirror.
func (c *core) book(now expiry, changes []change) {
	for _, o := range changes {
		at := o.key()
		if sets[at.set].interval {
			continue
		}
		for _, id := range twins(at.set) {
			c.mirror.remove(setKey{id, o.prefix})
		}
		if !o.release {
			c.mirror.put(at, o.until)
			c.mirror.tidy(at.set, now)
		}
	}
}

// netsAfter are the prefixes banned after changes.
func netsAfter(nets map[netip.Prefix]expiry, changes []change, now expiry) map[netip.Prefix]expiry {
	after := maps.Clone(nets)
	maps.DeleteFunc(after, func(_ netip.Prefix, s expiry) bool { return s.over(now) })
	for _, o := range changes {
		switch {
		case !sets[o.key().set].interval:
		case o.release:
			delete(after, o.prefix)
		default:
			after[o.prefix] = o.until
		}
	}
	return after
}

// makeRoom sweeps the mirror when n more bans may not fit, at most once in a
// grace: full mirror must not make every ban pay for a sweep.
func (c *core) makeRoom(now expiry, n int) {
	full := c.mirror.hosts(All)+n > c.maxHosts[All] || c.mirror.hosts(SIP)+n > c.maxHosts[SIP]
	if full && now-c.swept >= grace {
		c.mirror.sweep(now)
		c.swept = now
	}
}

// restore makes exactly these changes the bans in force.
func (c *core) restore(now expiry, changes []change) error {
	if c.unread != [setCount]bool{} {
		next := newMirror()
		for _, o := range changes {
			if !o.release {
				next.put(o.key(), o.until)
			}
		}
		return c.rebuild(now, next, c.allow)
	}
	wanted := make(map[netip.Prefix]struct{}, len(changes))
	var nets, hosts, ends []change
	for _, o := range changes {
		if o.release {
			continue
		}
		wanted[o.prefix] = struct{}{}
		if sets[o.key().set].interval {
			nets = append(nets, o)
		} else if !c.holds(now, o) {
			hosts = append(hosts, o)
		}
	}
	for at := range c.mirror.all() {
		if _, ok := wanted[at.prefix]; !ok {
			ends = append(ends, change{prefix: at.prefix, release: true})
		}
	}
	// Prefixes first, releases last: nothing is let in before all is kept out.
	return c.update(now, append(append(nets, hosts...), latest(ends)...), slack)
}

// holds tells whether a ban is in force as ordered, or nearly so.
func (c *core) holds(now expiry, o change) bool {
	s, ok := c.mirror.get(o.key())
	return ok && !s.over(now) && near(s, o.until, slack) && !c.elsewhere(o)
}

// elsewhere tells whether the prefix is booked in the other scope, too, as may
// have been found in the kernel.
func (c *core) elsewhere(o change) bool {
	for _, id := range twins(o.key().set)[1:] {
		if _, booked := c.mirror.get(setKey{id, o.prefix}); booked {
			return true
		}
	}
	return false
}

// rebuild makes the table anew from mirror and an allow list, and takes both
// over.
func (c *core) rebuild(now expiry, next mirror, allow map[netip.Prefix]expiry) error {
	if err := c.fits([...]int{All: next.hosts(All), SIP: next.hosts(SIP)}, len(next.nets)); err != nil {
		return err
	}
	contents := contentsOf(&next, allow, now)
	if err := c.backend.renew(contents); err != nil {
		return err
	}
	for at, s := range next.all() {
		if s.over(now) {
			next.remove(at)
		}
	}
	c.mirror, c.allow, c.unread = next, allow, [setCount]bool{}
	for id, s := range sets {
		if s.interval {
			c.held[id] = contents[id].add
		}
	}
	return nil
}

// contentsOf is everything that belongs into the sets at that time.
func contentsOf(m *mirror, allow map[netip.Prefix]expiry, now expiry) *batch {
	nets := netsAfter(m.nets, nil, now)
	var all batch
	for id := range setCount {
		switch s := sets[id]; {
		case s.allow:
			all[id].add = disjoint(allow, s.v6)
		case s.interval:
			all[id].add = disjoint(nets, s.v6)
		default:
			for p, until := range m.in(id) {
				if !until.over(now) {
					all[id].add = append(all[id].add, host(p.Addr(), until))
				}
			}
		}
	}
	return &all
}

// setAllow makes list the allow list, changing only what differs.
func (c *core) setAllow(list map[netip.Prefix]expiry) error {
	var b batch
	held := c.held
	for _, id := range []setID{allow4, allow6} {
		b[id].drop, b[id].add, held[id] = diff(c.held[id], disjoint(list, sets[id].v6), 0)
	}
	if b.size() > 0 {
		if err := c.backend.apply(0, &b); err != nil {
			return err
		}
	}
	c.held, c.allow = held, list
	return nil
}

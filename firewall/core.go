package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"
)

// maxBatch is how many bans go into one transaction. The kernel takes about
// 0.3 s for 131,072, during which no other program can change the ruleset.
const maxBatch = 128 << 10

// slack is how far a ban's end in the kernel may be from the wanted one before
// Reconcile touches it. Ends read back from the kernel are that inexact.
const slack = time.Second

// backend is what the core needs of the kernel or of its model.
type backend interface {
	// apply does one transaction, all or nothing. The kernel has its own clock;
	// the model goes by now, where 0 means that no ban has ended.
	apply(now expiry, b *batch) error
	// setPorts replaces the ports in the rules, without a gap. If the table is
	// lost, the next renew uses them.
	setPorts(p ports) error
	// renew replaces the table by one with exactly these elements, without a
	// gap for what is in force before and after.
	renew(contents *batch) error
	// compare reports how the table differs from what it should be.
	compare(now expiry) ([]string, error)
	// hits calls each with the packets that matched the elements with these
	// keys. It skips elements without a counter.
	hits(id setID, keys []netip.Addr, each func(key netip.Addr, packets uint64)) error
}

// core validates, keeps the mirror and turns calls into batches. Kernel and
// Memory both embed it, each with its own backend, so that they cannot differ
// in what they accept.
type core struct {
	mu      sync.Mutex
	backend backend
	mirror  mirror
	allow   map[netip.Prefix]expiry // the allow list; the expiries mean nothing
	held    [setCount][]interval    // what the interval sets hold
	unread  [setCount]bool          // hash sets that may hold more than the mirror
	invalid bool                    // the next Reconcile must rebuild
	swept   expiry                  // when the mirror was last swept to make room
	closed  bool

	limit    int             // bans per transaction
	maxHosts [scopeCount]int // single addresses and /64s, by scope
	maxNets  [scopeCount]int // other prefixes, by scope
}

func newCore(b backend) core {
	return core{
		backend: b, mirror: newMirror(), limit: maxBatch,
		maxHosts: [...]int{All: maxHosts, SIP: maxSIP, Asterisk: maxHosts}, maxNets: [...]int{All: MaxPrefixes, SIP: maxSIPPrefixes, Asterisk: MaxPrefixes},
	}
}

// Ban implements Table.
func (c *core) Ban(now time.Time, bans ...Ban) error {
	changes, err := changesOf(now, bans)
	return c.do("ban", err, func() error { return c.update(expiryOf(now), latest(changes), 0) })
}

// Release implements Table.
func (c *core) Release(prefixes ...netip.Prefix) error {
	changes, err := releasesOf(prefixes)
	// A release needs no clock: at 0 no ban has ended yet.
	return c.do("release", err, func() error { return c.update(0, latest(changes), 0) })
}

// Reconcile implements Table.
func (c *core) Reconcile(now time.Time, bans []Ban) error {
	changes, err := changesOf(now, bans)
	return c.do("reconcile", err, func() error { return c.reconcile(expiryOf(now), mirrorOf(changes)) })
}

// Invalidate implements Table.
func (c *core) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.invalid = true
}

// Allow implements Table.
func (c *core) Allow(prefixes []netip.Prefix) error {
	list, err := allowListOf(prefixes)
	return c.do("allow", err, func() error { return c.setAllow(list) })
}

// SetPorts implements Table.
func (c *core) SetPorts(udp, tcp []uint16) error {
	udp, err := normalPorts(udp)
	if err == nil {
		tcp, err = normalTCPPorts(tcp)
	}
	return c.do("set ports", err, func() error { return c.backend.setPorts(ports{udp, tcp}) })
}

// Verify implements Table.
func (c *core) Verify(now time.Time) (findings []string, err error) {
	err = c.do("verify", nil, func() error {
		findings, err = c.backend.compare(expiryOf(now))
		return err
	})
	return findings, err
}

// Bans implements Table.
func (c *core) Bans(now time.Time) []Ban {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Ban, 0, c.mirror.len())
	for at, until := range c.mirror.all() {
		if !until.over(expiryOf(now)) {
			out = append(out, Ban{at.prefix, until.time(), sets[at.set].scope})
		}
	}
	return out
}

// do runs one operation under the lock, unless its input was invalid, and names
// the operation in the error.
func (c *core) do(op string, invalid error, f func() error) error {
	err := invalid
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err = ErrClosed; !c.closed {
			err = f()
		}
	}
	if err != nil {
		return fmt.Errorf("firewall: %s: %w", op, err)
	}
	return nil
}

// update applies changes, at most limit per transaction.
func (c *core) update(now expiry, changes []change, slack time.Duration) error {
	for done := 0; done < len(changes); done += c.limit {
		part := changes[done:min(done+c.limit, len(changes))]
		if err := c.transact(now, part, slack); err != nil {
			if done > 0 {
				return fmt.Errorf("after %d of %d, which are in force: %w", done, len(changes), err)
			}
			return err
		}
	}
	return nil
}

// transact applies changes in one transaction and then records them in the
// mirror.
func (c *core) transact(now expiry, changes []change, slack time.Duration) error {
	c.makeRoom(now, len(changes))
	var b batch
	hosts := c.mirror.hostCounts()
	// remove takes the key out of its set if the set may hold it.
	remove := func(at setKey) {
		_, known := c.mirror.get(at)
		if known {
			hosts[sets[at.set].scope]--
		}
		if known || c.unread[at.set] {
			b[at.set].drop = append(b[at.set].drop, host(at.prefix.Addr(), 0))
		}
	}
	nets := c.mirror.nets
	var netsChange [scopeCount]bool
	for _, ch := range changes {
		for scope := range scopeCount {
			at := setKey{setOf(ch.prefix, scope), ch.prefix}
			enters := scope == ch.scope && !ch.release
			if sets[at.set].interval {
				_, known := nets[scope][at.prefix]
				netsChange[scope] = netsChange[scope] || known || enters
				continue
			}
			remove(at)
			if enters {
				b[at.set].add = append(b[at.set].add, host(at.prefix.Addr(), ch.until))
				hosts[scope]++
			}
		}
	}
	held := c.held
	for scope, change := range netsChange {
		if change {
			nets[scope] = netsAfter(nets[scope], Scope(scope), changes, now)
		}
	}
	for id, s := range sets {
		if s.interval && !s.allow && netsChange[s.scope] {
			b[id].drop, b[id].add, held[id] = diff(c.held[id], disjoint(nets[s.scope], s.v6), slack)
		}
	}
	if err := c.fits(hosts, nets); err != nil {
		return err
	}
	if !b.empty() {
		if err := c.backend.apply(now, &b); err != nil {
			return err
		}
	}
	c.mirror.nets, c.held = nets, held
	c.record(now, changes)
	return nil
}

// fits returns ErrFull if there is no room for that many bans.
func (c *core) fits(hosts [scopeCount]int, nets netsByScope) error {
	for scope := range hosts {
		if hosts[scope] > c.maxHosts[scope] || len(nets[scope]) > c.maxNets[scope] {
			return c.full()
		}
	}
	return nil
}

func (c *core) full() error {
	return fmt.Errorf("%w: at most %d addresses and %d prefixes, with scope SIP %d addresses and %d prefixes, with scope Asterisk %d and %d",
		ErrFull, c.maxHosts[All], c.maxNets[All], c.maxHosts[SIP], c.maxNets[SIP], c.maxHosts[Asterisk], c.maxNets[Asterisk])
}

// record enters changes of single addresses and /64s into the mirror.
func (c *core) record(now expiry, changes []change) {
	for _, ch := range changes {
		c.mirror.removeHost(ch.prefix)
		if at := ch.key(); !ch.release && !sets[at.set].interval {
			c.mirror.put(at, ch.until)
			c.mirror.tidy(at.set, now)
		}
	}
}

// netsAfter returns the prefixes that are banned in a scope after changes.
func netsAfter(nets map[netip.Prefix]expiry, scope Scope, changes []change, now expiry) map[netip.Prefix]expiry {
	after := maps.Clone(nets)
	maps.DeleteFunc(after, func(_ netip.Prefix, until expiry) bool { return until.over(now) })
	for _, ch := range changes {
		switch {
		case !sets[setOf(ch.prefix, scope)].interval:
		case ch.release || ch.scope != scope:
			delete(after, ch.prefix)
		default:
			after[ch.prefix] = ch.until
		}
	}
	return after
}

// makeRoom sweeps the mirror when n more bans may not fit, at most once per
// grace period: a full mirror must not make every ban pay for a sweep.
func (c *core) makeRoom(now expiry, n int) {
	full := false
	for scope, held := range c.mirror.hostCounts() {
		full = full || held+n > c.maxHosts[scope]
	}
	if full && now-c.swept >= grace {
		c.mirror.sweep(now)
		c.swept = now
	}
}

// setAllow makes list the allow list, changing only what differs.
func (c *core) setAllow(list map[netip.Prefix]expiry) error {
	var b batch
	held := c.held
	for _, id := range []setID{allow4, allow6} {
		b[id].drop, b[id].add, held[id] = diff(c.held[id], disjoint(list, sets[id].v6), 0)
	}
	if !b.empty() {
		if err := c.backend.apply(0, &b); err != nil {
			return err
		}
	}
	c.held, c.allow = held, list
	return nil
}

package firewall

import (
	"fmt"
	"net/netip"
)

// reconcile makes want the bans in force, as far as there is room. It changes what
// differs and rebuilds the table where that is not possible: it is damaged, gone or
// invalid.
func (c *core) reconcile(now expiry, want mirror) error {
	left := want.trim(c.maxHosts, c.maxNets)
	if err := c.putInForce(now, want); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%d bans left out: %w", left, c.full())
	}
	return nil
}

func (c *core) putInForce(now expiry, want mirror) error {
	if !c.invalid {
		findings, err := c.backend.compare(now)
		if err == nil && len(findings) == 0 && c.revise(now, &want) == nil {
			return nil
		}
	}
	return c.rebuild(now, want, c.allow)
}

// revise changes what differs from want: what is to be dropped goes in first
// and releases come last, so that nothing passes in between.
func (c *core) revise(now expiry, want *mirror) error {
	d := c.difference(now, want)
	if err := c.update(now, d.bans, slack); err != nil {
		return err
	}
	if err := c.replaceUnread(now, want); err != nil {
		return err
	}
	return c.update(now, d.releases, slack)
}

// difference is what separates the mirror from the wanted bans.
type difference struct {
	bans     []change // new ones and those with another end; prefixes first
	releases []change
}

// netsFirst are the sets of bans, those with prefixes first.
var netsFirst = [...]setID{
	prefixes4, prefixes6, sipnets4, sipnets6, asterisknets4, asterisknets6,
	hosts4, slash64, hosts6, sip4, sip64, asterisk4, asterisk64,
}

func (c *core) difference(now expiry, want *mirror) (d difference) {
	for _, id := range netsFirst {
		if c.unread[id] {
			continue // see replaceUnread
		}
		for p, until := range want.in(id) {
			if sets[id].interval || !c.holds(now, setKey{id, p}, until) {
				d.bans = append(d.bans, change{prefix: p, scope: sets[id].scope, until: until})
			}
		}
	}
	for at := range c.mirror.all() {
		if !want.bans(at.prefix) {
			d.releases = append(d.releases, change{prefix: at.prefix, release: true})
		}
	}
	d.releases = latest(d.releases)
	return d
}

// holds reports whether a ban is in force with nearly this end and in no other
// scope.
func (c *core) holds(now expiry, at setKey, until expiry) bool {
	s, ok := c.mirror.get(at)
	if !ok || s.over(now) || !near(s, until, slack) {
		return false
	}
	return !c.mirror.elsewhere(at)
}

// replaceUnread gives the sets that were not read the wanted contents, in a single
// transaction. The kernel needs no longer for that than for adding the bans to
// empty sets, while it lists a large set very slowly.
func (c *core) replaceUnread(now expiry, want *mirror) error {
	var b batch
	for id := range setCount {
		if !c.unread[id] {
			continue
		}
		b[id].flush = true
		b[id].add = make([]interval, 0, want.size(id))
		for p, until := range want.in(id) {
			b[id].add = append(b[id].add, host(p.Addr(), until))
			for scope := range scopeCount {
				from := setOf(p, scope)
				if from == id || c.unread[from] || sets[from].interval {
					continue // what is in an interval is removed by the next Reconcile
				}
				if _, moves := c.mirror.get(setKey{from, p}); moves {
					b[from].drop = append(b[from].drop, host(p.Addr(), until))
				}
			}
		}
	}
	if b.empty() {
		return nil
	}
	if err := c.backend.apply(now, &b); err != nil {
		return err
	}
	for id, e := range b {
		if e.flush {
			c.mirror.adopt(setID(id), want)
			c.unread[id] = false
		}
		for _, s := range e.drop {
			c.mirror.remove(setKey{setID(id), netip.PrefixFrom(s.first, keyBits(setID(id)))})
		}
	}
	return nil
}

// rebuild replaces the table and takes over the mirror and the allow list it is
// made of.
func (c *core) rebuild(now expiry, next mirror, allow map[netip.Prefix]expiry) error {
	if err := c.fits(next.hostCounts(), next.nets); err != nil {
		return err
	}
	contents := contentsOf(&next, allow, now)
	if err := c.backend.renew(contents); err != nil {
		return err
	}
	for at, until := range next.all() {
		if until.over(now) {
			next.remove(at)
		}
	}
	c.mirror, c.allow, c.unread, c.invalid = next, allow, [setCount]bool{}, false
	for id, s := range sets {
		if s.interval {
			c.held[id] = contents[id].add
		}
	}
	return nil
}

// contentsOf returns everything that belongs in the sets at that time.
func contentsOf(m *mirror, allow map[netip.Prefix]expiry, now expiry) *batch {
	var all batch
	for id := range setCount {
		switch s := sets[id]; {
		case s.allow:
			all[id].add = disjoint(allow, s.v6)
		case s.interval:
			all[id].add = disjoint(netsAfter(m.nets[s.scope], s.scope, nil, now), s.v6)
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

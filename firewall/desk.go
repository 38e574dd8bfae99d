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

// sink is what the desk needs of the kernel or of its model.
type sink interface {
	// apply does one transaction, whole or not at all. The kernel has a clock
	// of its own; its model goes by now, which may be 0 for "no ban has ended".
	apply(now stamp, b *batch) error
	// renew makes the table anew with these elements and no others, without a
	// gap for what is in force before and after.
	renew(contents *batch) error
	// population is how many elements a set has; negative: it is not known.
	// ErrLost: there is no such set.
	population(id setID) (int, error)
	// compare says how the table differs from what it should be.
	compare(now stamp) ([]string, error)
	// hits tells the packets that matched the elements of these keys; those
	// without a counter are passed over.
	hits(id setID, keys []netip.Addr, each func(key netip.Addr, packets uint64)) error
}

// desk keeps the books and turns what is asked into batches. Kernel and Memory
// are a desk with a sink each, so that they cannot differ in what they accept.
type desk struct {
	mu     sync.Mutex
	sink   sink
	books  books
	allow  map[netip.Prefix]stamp // the allow list; the stamps mean nothing
	held   [setCount][]span       // what the interval sets hold
	unread [setCount]bool         // hash sets that may hold more than is booked
	swept  stamp                  // when the books were last swept for room
	closed bool

	limit    int          // bans in a transaction
	maxHosts [SIP + 1]int // bans of addresses in all, by scope
}

func newDesk(s sink) desk {
	return desk{sink: s, books: newBooks(), limit: maxBatch, maxHosts: [...]int{All: MaxHosts, SIP: MaxSIP}}
}

// Ban implements Table.
func (d *desk) Ban(now time.Time, bans ...Ban) error {
	orders, err := ordersOf(now, bans)
	return d.do("ban", err, func() error { return d.changeAll(stampOf(now), orders, 0) })
}

// Release implements Table.
func (d *desk) Release(prefixes ...netip.Prefix) error {
	orders, err := releasesOf(prefixes)
	// A release needs no clock: at the zero stamp no ban has ended yet.
	return d.do("release", err, func() error { return d.changeAll(0, orders, 0) })
}

// Restore implements Table.
func (d *desk) Restore(now time.Time, bans []Ban) error {
	orders, err := ordersOf(now, bans)
	return d.do("restore", err, func() error { return d.restore(stampOf(now), orders) })
}

// Include implements Table.
func (d *desk) Include(now time.Time, bans []Ban) error {
	orders, err := ordersOf(now, bans)
	return d.do("include", err, func() error {
		orders = slices.DeleteFunc(orders, func(o order) bool { return o.release || d.holds(stampOf(now), o) })
		return d.changeAll(stampOf(now), orders, slack)
	})
}

// Complete implements Table.
func (d *desk) Complete(now time.Time) error {
	return d.do("complete", nil, func() error {
		for id := range setCount {
			if !d.unread[id] {
				continue
			}
			n, err := d.sink.population(id)
			if err != nil {
				return err
			}
			// A few may be running out just now.
			if booked := d.books.size(id); n < 0 || n > booked+booked/1000 {
				return d.rebuild(stampOf(now), d.books, d.allow)
			}
		}
		d.unread = [setCount]bool{}
		return nil
	})
}

// Repair implements Table.
func (d *desk) Repair(now time.Time) error {
	return d.do("repair", nil, func() error {
		for id := range setCount {
			if !d.unread[id] {
				continue
			}
			// What the kernel has lost needs no reading.
			if _, err := d.sink.population(id); !errors.Is(err, ErrLost) {
				return ErrUnread
			}
		}
		d.unread = [setCount]bool{}
		return d.rebuild(stampOf(now), d.books, d.allow)
	})
}

// Allow implements Table.
func (d *desk) Allow(prefixes []netip.Prefix) error {
	list, err := allowanceOf(prefixes)
	return d.do("allow", err, func() error { return d.setAllow(list) })
}

// Verify implements Table.
func (d *desk) Verify(now time.Time) (found []string, err error) {
	err = d.do("verify", nil, func() error {
		found, err = d.sink.compare(stampOf(now))
		return err
	})
	return found, err
}

// Bans implements Table.
func (d *desk) Bans(now time.Time) []Ban {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Ban, 0, d.books.len())
	for at, s := range d.books.all() {
		if !s.over(stampOf(now)) {
			out = append(out, Ban{at.prefix, s.time(), sets[at.set].scope})
		}
	}
	return out
}

// do runs one operation under the lock, unless its input was refused, and names
// it in its error.
func (d *desk) do(op string, refused error, f func() error) error {
	if refused == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if refused = ErrClosed; !d.closed {
			refused = f()
		}
	}
	if refused != nil {
		return fmt.Errorf("firewall: %s: %w", op, refused)
	}
	return nil
}

// changeAll applies orders, at most limit of them in a transaction.
func (d *desk) changeAll(now stamp, orders []order, slack time.Duration) error {
	for done := 0; done < len(orders); done += d.limit {
		part := orders[done:min(done+d.limit, len(orders))]
		if err := d.change(now, part, slack); err != nil {
			if done > 0 {
				return fmt.Errorf("after %d of %d, which are in force: %w", done, len(orders), err)
			}
			return err
		}
	}
	return nil
}

// change applies orders in one transaction and books them when it is through.
func (d *desk) change(now stamp, orders []order, slack time.Duration) error {
	d.makeRoom(now, len(orders))
	var b batch
	nets := d.books.nets
	hosts := [...]int{All: d.books.hosts(All), SIP: d.books.hosts(SIP)}
	for _, o := range orders {
		at := o.place()
		if sets[at.set].interval {
			nets = nil
			continue
		}
		for _, id := range twins(at.set) {
			_, booked := d.books.get(place{id, o.prefix})
			if booked {
				hosts[sets[id].scope]--
			}
			if booked || d.unread[id] {
				b[id].drop = append(b[id].drop, host(o.prefix.Addr(), o.until))
			}
		}
		if !o.release {
			b[at.set].add = append(b[at.set].add, host(o.prefix.Addr(), o.until))
			hosts[o.scope]++
		}
	}
	held := d.held
	if nets == nil {
		nets = netsAfter(d.books.nets, orders, now)
		for _, id := range []setID{prefixes4, prefixes6} {
			b[id].drop, b[id].add, held[id] = diff(d.held[id], disjoint(nets, sets[id].v6), slack)
		}
	}
	if err := d.fits(hosts, len(nets)); err != nil {
		return err
	}
	if b.size() > 0 {
		if err := d.sink.apply(now, &b); err != nil {
			return err
		}
	}
	d.books.nets, d.held = nets, held
	d.book(now, orders)
	return nil
}

// fits refuses more bans than there is room for.
func (d *desk) fits(hosts [SIP + 1]int, nets int) error {
	if hosts[All] > d.maxHosts[All] || hosts[SIP] > d.maxHosts[SIP] || nets > MaxPrefixes {
		return fmt.Errorf("%w: at most %d addresses, %d addresses with scope SIP and %d prefixes", ErrFull, d.maxHosts[All], d.maxHosts[SIP], MaxPrefixes)
	}
	return nil
}

// book writes orders about single addresses into the books.
func (d *desk) book(now stamp, orders []order) {
	for _, o := range orders {
		at := o.place()
		if sets[at.set].interval {
			continue
		}
		for _, id := range twins(at.set) {
			d.books.remove(place{id, o.prefix})
		}
		if !o.release {
			d.books.put(at, o.until)
			d.books.tidy(at.set, now)
		}
	}
}

// netsAfter are the prefixes banned after orders.
func netsAfter(nets map[netip.Prefix]stamp, orders []order, now stamp) map[netip.Prefix]stamp {
	after := maps.Clone(nets)
	maps.DeleteFunc(after, func(_ netip.Prefix, s stamp) bool { return s.over(now) })
	for _, o := range orders {
		switch {
		case !sets[o.place().set].interval:
		case o.release:
			delete(after, o.prefix)
		default:
			after[o.prefix] = o.until
		}
	}
	return after
}

// makeRoom sweeps the books when n more bans may not fit, at most once in a
// grace: full books must not make every ban pay for a sweep.
func (d *desk) makeRoom(now stamp, n int) {
	full := d.books.hosts(All)+n > d.maxHosts[All] || d.books.hosts(SIP)+n > d.maxHosts[SIP]
	if full && now-d.swept >= grace {
		d.books.sweep(now)
		d.swept = now
	}
}

// restore makes exactly these orders the bans in force.
func (d *desk) restore(now stamp, orders []order) error {
	if d.unread != [setCount]bool{} {
		next := newBooks()
		for _, o := range orders {
			if !o.release {
				next.put(o.place(), o.until)
			}
		}
		return d.rebuild(now, next, d.allow)
	}
	wanted := make(map[netip.Prefix]struct{}, len(orders))
	var nets, hosts, ends []order
	for _, o := range orders {
		if o.release {
			continue
		}
		wanted[o.prefix] = struct{}{}
		if sets[o.place().set].interval {
			nets = append(nets, o)
		} else if !d.holds(now, o) {
			hosts = append(hosts, o)
		}
	}
	for at := range d.books.all() {
		if _, ok := wanted[at.prefix]; !ok {
			ends = append(ends, order{prefix: at.prefix, release: true})
		}
	}
	// Prefixes first, releases last: nothing is let in before all is kept out.
	return d.changeAll(now, append(append(nets, hosts...), latest(ends)...), slack)
}

// holds tells whether a ban is in force as ordered, or nearly so.
func (d *desk) holds(now stamp, o order) bool {
	s, ok := d.books.get(o.place())
	return ok && !s.over(now) && near(s, o.until, slack) && !d.elsewhere(o)
}

// elsewhere tells whether the prefix is booked in the other scope, too, as may
// have been found in the kernel.
func (d *desk) elsewhere(o order) bool {
	for _, id := range twins(o.place().set)[1:] {
		if _, booked := d.books.get(place{id, o.prefix}); booked {
			return true
		}
	}
	return false
}

// rebuild makes the table anew from books and an allow list, and takes both
// over.
func (d *desk) rebuild(now stamp, next books, allow map[netip.Prefix]stamp) error {
	if err := d.fits([...]int{All: next.hosts(All), SIP: next.hosts(SIP)}, len(next.nets)); err != nil {
		return err
	}
	contents := contentsOf(&next, allow, now)
	if err := d.sink.renew(contents); err != nil {
		return err
	}
	for at, s := range next.all() {
		if s.over(now) {
			next.remove(at)
		}
	}
	d.books, d.allow, d.unread = next, allow, [setCount]bool{}
	for id, s := range sets {
		if s.interval {
			d.held[id] = contents[id].add
		}
	}
	return nil
}

// contentsOf is everything that belongs into the sets at that time.
func contentsOf(b *books, allow map[netip.Prefix]stamp, now stamp) *batch {
	nets := netsAfter(b.nets, nil, now)
	var all batch
	for id := range setCount {
		switch s := sets[id]; {
		case s.allow:
			all[id].add = disjoint(allow, s.v6)
		case s.interval:
			all[id].add = disjoint(nets, s.v6)
		default:
			for p, until := range b.in(id) {
				if !until.over(now) {
					all[id].add = append(all[id].add, host(p.Addr(), until))
				}
			}
		}
	}
	return &all
}

// setAllow makes list the allow list, changing only what differs.
func (d *desk) setAllow(list map[netip.Prefix]stamp) error {
	var b batch
	held := d.held
	for _, id := range []setID{allow4, allow6} {
		b[id].drop, b[id].add, held[id] = diff(d.held[id], disjoint(list, sets[id].v6), 0)
	}
	if b.size() > 0 {
		if err := d.sink.apply(0, &b); err != nil {
			return err
		}
	}
	d.held, d.allow = held, list
	return nil
}

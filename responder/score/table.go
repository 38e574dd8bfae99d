package score

import (
	"cmp"
	"fmt"
	"time"
)

// Limits bound the size of a Table. Zero values mean the defaults.
type Limits struct {
	Sources  int // most sources tracked; default 524,288
	Networks int // most networks tracked; default 131,072
	Accounts int // most accounts tracked; default 65,536
	Records  int // observations kept as evidence for one key; default 32, at most 255
	// Spare is how many observations are kept as evidence for all keys together,
	// beyond one for each key; default half of Sources.
	Spare int
}

func (l Limits) withDefaults() (Limits, error) {
	l.Sources = cmp.Or(l.Sources, 1<<19)
	l.Networks = cmp.Or(l.Networks, 1<<17)
	l.Accounts = cmp.Or(l.Accounts, 1<<16)
	l.Records = cmp.Or(l.Records, 32)
	l.Spare = cmp.Or(l.Spare, l.Sources/2)
	const most = 1 << 28 // element numbers have 32 bits, node numbers 31
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"sources", l.Sources, most},
		{"networks", l.Networks, most},
		{"accounts", l.Accounts, most},
		{"records", l.Records, 255},
		{"spare", l.Spare, most},
	} {
		if n.value < 1 || n.value > n.max {
			return l, fmt.Errorf("score: limit of %s: %d, want 1 to %d", n.name, n.value, n.max)
		}
	}
	return l, nil
}

// maxOrigins is the most origins tracked: there are hardly more trunks.
const maxOrigins = 1 << 12

// Table keeps the scores of all keys. It has no lock: its owner calls it from
// one goroutine at a time.
type Table struct {
	spaces   [perCount - 1]*keyspace // by kind of key; nil if no threshold uses that kind
	evidence evidence
	rawTexts rawTexts
	clock    clock
	verdicts []Verdict
	buf      accountBuffer
}

// New returns a table for these thresholds. The config must have checked them; New
// only rejects thresholds that a table cannot represent.
func New(thresholds []Threshold, limits Limits) (*Table, error) {
	limits, err := limits.withDefaults()
	if err != nil {
		return nil, err
	}
	var rules [perCount - 1][]rule
	for _, t := range thresholds {
		r, err := newRule(t)
		if err != nil {
			return nil, fmt.Errorf("score: threshold %q: %w", t.Name, err)
		}
		rules[t.Per-1] = append(rules[t.Per-1], r)
	}
	t := &Table{evidence: evidence{perKey: uint8(limits.Records), spare: limits.Spare, reserve: limits.Spare / 2}}
	for i, capacity := range []int{limits.Sources, limits.Networks, limits.Accounts, 1, min(limits.Accounts, maxOrigins)} {
		if len(rules[i]) > 0 {
			t.spaces[i] = newKeyspace(Per(i+1), rules[i], capacity)
		}
	}
	return t, nil
}

// Observe scores one observation and returns the thresholds that it crossed. The slice
// is valid until the next call; the verdicts in it own their memory.
func (t *Table) Observe(o *Observation) []Verdict {
	t.verdicts = t.verdicts[:0]
	if o.Signal == NoSignal || o.Signal >= signalCount {
		return nil
	}
	at := t.clock.micros(o.At)
	var claimed claims
	keys, trails := 0, 0
	for i, k := range t.spaces {
		if k == nil {
			continue
		}
		if s, ok := t.id(k, o); ok {
			c := &claimed[i]
			if c.key, c.dangerous = k.claim(s, o.Signal, &t.evidence); c.key != 0 {
				keys++
				if c.stamp = k.stamp(at, o.Source); k.per.traced() && k.countsAny(c.key, o.Signal, c.stamp) {
					c.traced = true
					trails++
				}
			}
		}
	}
	if keys == 0 {
		return nil
	}
	if o.Signal.kept() && trails > 0 {
		t.remember(o, &claimed, trails)
	}
	for i, k := range t.spaces {
		if c := claimed[i]; c.key != 0 {
			t.judge(k, c.key, o, c.stamp)
			k.settle(c.key, at, &t.evidence)
		}
	}
	return t.verdicts
}

// claims are the claimed keys of an observation, by kind.
type claims [perCount - 1]struct {
	key       uint32 // 0 if there is none
	dangerous bool
	traced    bool  // the observation is evidence for the key
	stamp     int64 // time to store in its cells
}

// id returns the key of one kind that an observation belongs to.
func (t *Table) id(k *keyspace, o *Observation) (id, bool) {
	switch k.per {
	case PerSource, PerNetwork:
		return addressID(k.per, o.Source)
	case PerSite:
		return id{family: familySite}, true
	}
	name, ok := accountName(o, &t.buf)
	if !ok || o.Own && o.Signal.Failure() || isOrigin(name) != (k.per == PerOrigin) {
		return id{}, false
	}
	return k.accountID(name), true
}

// remember keeps the observation as evidence for the claimed keys.
func (t *Table) remember(o *Observation, claimed *claims, trails int) {
	e := &t.evidence
	for i, k := range t.spaces {
		if c := claimed[i]; c.traced {
			x := k.entries.at(c.key)
			trail := x.trail()
			e.makeRoom(&trail, k.per, c.dangerous)
			x.setTrail(trail)
		}
	}
	n := e.write(o, trails)
	t.rawTexts.keep(o)
	for i, k := range t.spaces {
		if c := claimed[i]; c.traced {
			x := k.entries.at(c.key)
			trail := x.trail()
			e.thread(&trail, k.per, n)
			x.setTrail(trail)
		}
	}
}

// judge adds the observation to the windows of key i and fires the thresholds that it
// crosses. When a threshold fires, its window is cleared, so that no observation counts
// for two verdicts of one threshold.
func (t *Table) judge(k *keyspace, i uint32, o *Observation, stamp int64) {
	x := k.entries.at(i)
	c := newCell(stamp, o.Proof, o.Signal)
	for j := range k.rules {
		r := &k.rules[j]
		points := r.points[o.Signal]
		if points == 0 {
			continue
		}
		w, ok := k.current(i, x, j, stamp)
		if !ok || !k.takes(w, r, o.Signal, stamp) {
			continue
		}
		p := k.window(i, x, j)
		if k.nodes.sum(w, r)+points >= r.score {
			t.fire(k, i, r, w, c, o)
			*p = k.nodes.clear(w)
			continue
		}
		if !w.empty() {
			k.reserve(2, &t.evidence)
		}
		*p = k.nodes.add(w, r, c)
	}
}

// fire appends the verdict and marks the key as dangerous for the threshold's time.
func (t *Table) fire(k *keyspace, i uint32, r *rule, w window, c cell, o *Observation) {
	x := k.entries.at(i)
	until := seconds(c.at() + r.within)
	if !x.fired || until > x.due {
		x.fired, x.due = true, until
	}
	key := k.key(i)
	evidence := []Record{o.record()}
	if k.per.traced() {
		evidence = t.evidence.records(x.trail(), k.per)
	}
	tally := k.nodes.tally(w, r, c)
	t.verdicts = append(t.verdicts, Verdict{
		At: o.At, Key: key, Threshold: &r.threshold,
		Score: int(tally.points), Proven: o.Proof == Proven && tally.proven >= r.score,
		Reason: reason(key, r, &tally, evidence, o),
		Cause:  o.record(), Evidence: evidence,
	})
}

// Forget removes a key with its windows and evidence. It reports whether the key was
// tracked.
func (t *Table) Forget(key Key) bool {
	k, i := t.lookUp(key)
	if i == 0 {
		return false
	}
	k.remove(i, &t.evidence)
	return true
}

// Evidence returns the records kept for a key, the oldest first, or nil.
func (t *Table) Evidence(key Key) []Record {
	k, i := t.lookUp(key)
	if i == 0 {
		return nil
	}
	return t.evidence.records(k.entries.at(i).trail(), k.per)
}

func (t *Table) lookUp(key Key) (*keyspace, uint32) {
	if key.Per < PerSource || key.Per >= perCount || t.spaces[key.Per-1] == nil {
		return nil, 0
	}
	k := t.spaces[key.Per-1]
	switch key.Per {
	case PerAccount, PerOrigin:
		return k, k.find(k.accountID([]byte(key.Account)))
	case PerSite:
		return k, k.find(id{family: familySite})
	}
	s, ok := addressID(key.Per, key.Prefix.Addr())
	if !ok {
		return nil, 0
	}
	return k, k.find(s)
}

// clock converts times to microseconds on a monotonic scale. As long as the times have
// Go's monotonic reading, setting the wall clock does not move any window.
type clock struct {
	base time.Time
	zero int64 // base in ns since 1970
}

func (c *clock) micros(at time.Time) int64 {
	if c.base.IsZero() {
		c.base, c.zero = at, at.UnixNano()
	}
	ns := c.zero + int64(at.Sub(c.base))
	return min(max(ns/1000, 0), maxTime)
}

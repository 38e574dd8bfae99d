package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Memory is a Table that drops nothing. It models the kernel's sets, as strictly
// as the kernel, for tests, the demo and observe mode. Mirror, validation and
// batches are those of Kernel.
type Memory struct {
	core
	model model
}

var _ Table = (*Memory)(nil)

// NewMemory returns an empty table. It panics on a config that Open would reject.
func NewMemory(cfg Config) *Memory {
	cfg, err := cfg.normal()
	if err != nil {
		panic(err)
	}
	m := &Memory{model: model{name: cfg.Name, ports: ports{cfg.SIPPorts, cfg.TCPPorts}, counted: !cfg.Uncounted}}
	m.core = newCore(m)
	_ = m.renew(&batch{})
	if err := m.Allow(cfg.Allow); err != nil {
		panic(err)
	}
	return m
}

// Fail makes every change fail with err from now on; nil ends that.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.model.fail = err
}

// Lose removes the table behind the mirror's back, as another program's `nft
// flush ruleset` would: nothing is dropped until Reconcile.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.model.lost = true
}

// Dropped reports whether the rules would drop a SIP packet over UDP from addr at
// that time. The packet counts as a hit.
func (m *Memory) Dropped(addr netip.Addr, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.model.drop(addr.Unmap().WithZone(""), expiryOf(now), All, SIP, Asterisk)
}

// Refused is like Dropped, for a packet to one of Asterisk's TCP ports.
func (m *Memory) Refused(addr netip.Addr, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.model.drop(addr.Unmap().WithZone(""), expiryOf(now), All, Asterisk)
}

// CutOff is like Dropped, for any other packet.
func (m *Memory) CutOff(addr netip.Addr, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.model.drop(addr.Unmap().WithZone(""), expiryOf(now), All)
}

// Dump is the table as `nft list table` would print it, with the ends of bans
// in setKey of their timeouts and in a stable order.
func (m *Memory) Dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.model.String()
}

// Stats implements Table. Nothing is ever counted as dropped.
func (m *Memory) Stats() (Stats, error) {
	var st Stats
	err := m.do("stats", nil, func() error {
		for id, s := range sets {
			st.Sets = append(st.Sets, SetStats{Name: s.name, Elements: m.model.len(setID(id)), Size: int(s.size)})
		}
		return nil
	})
	return st, err
}

// Close implements Table. The model keeps dropping.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Remove implements Table.
func (m *Memory) Remove() error {
	return m.do("remove", m.model.fail, func() error {
		m.model.lost, m.closed = true, true
		return nil
	})
}

func (m *Memory) apply(now expiry, b *batch) error { return m.model.apply(now, b) }
func (m *Memory) renew(contents *batch) error      { return m.model.renew(contents) }
func (m *Memory) setPorts(p ports) error           { return m.model.setPorts(p) }

func (m *Memory) hits(id setID, keys []netip.Addr, each func(netip.Addr, uint64)) error {
	for _, key := range keys {
		if packets, ok := m.model.hits[id][key]; ok {
			each(key, packets)
		}
	}
	return nil
}

func (m *Memory) compare(expiry) ([]string, error) {
	if m.model.lost {
		return []string{"table inet " + m.model.name + ": missing"}, nil
	}
	return nil, nil
}

// model stands for the kernel's side of the table: hash sets and interval sets.
type model struct {
	name      string
	ports     ports
	counted   bool
	hosts     [setCount]map[netip.Addr]expiry
	intervals [setCount][]interval            // sorted, disjoint
	hits      [setCount]map[netip.Addr]uint64 // by first address, of counted elements
	lost      bool
	fail      error
	renewed   int // times it was made
}

func (m *model) setPorts(p ports) error {
	if m.fail != nil {
		return m.fail
	}
	m.ports = p
	if m.lost {
		return ErrLost
	}
	return nil
}

func (m *model) renew(contents *batch) error {
	next := model{name: m.name, ports: m.ports, counted: m.counted, renewed: m.renewed + 1}
	for id, s := range sets {
		next.hits[id] = map[netip.Addr]uint64{}
		if !s.interval {
			next.hosts[id] = map[netip.Addr]expiry{}
		}
	}
	if m.fail != nil {
		return m.fail
	}
	if err := next.apply(0, contents); err != nil {
		return err
	}
	*m = next
	return nil
}

// apply checks everything before it changes anything. It rejects what the kernel
// would reject or, worse, ignore.
func (m *model) apply(now expiry, b *batch) error {
	if m.fail != nil {
		return m.fail
	}
	if m.lost {
		return ErrLost
	}
	var intervals [setCount][]interval
	for id := range setCount {
		var err error
		if sets[id].interval {
			intervals[id], err = m.intervalsAfter(id, b[id])
		} else {
			err = m.check(id, b[id], now)
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", sets[id].name, err)
		}
	}
	m.intervals = intervals
	for id := range setCount {
		if b[id].flush {
			clear(m.hosts[id])
			clear(m.hits[id])
		}
		for _, s := range b[id].drop {
			delete(m.hosts[id], s.first)
			delete(m.hits[id], s.first)
		}
		for _, s := range b[id].add {
			if m.counted && !sets[id].allow {
				m.hits[id][s.first] = 0
			}
		}
		if !sets[id].interval {
			for _, s := range b[id].add {
				m.hosts[id][s.first] = s.until
				m.collect(id, now)
			}
		}
	}
	return nil
}

// collect removes a few elements that have run out, as the kernel does.
func (m *model) collect(id setID, now expiry) {
	n := 0
	for a, until := range m.hosts[id] {
		if until.over(now) {
			delete(m.hosts[id], a)
			delete(m.hits[id], a)
		}
		if n++; n == tidySample {
			return
		}
	}
}

// check rejects an edit that names an element twice or adds one that is there,
// which before Linux 6.12 would leave its timeout as it was.
func (m *model) check(id setID, e edit, now expiry) error {
	gone := make(map[netip.Addr]bool, len(e.drop))
	for _, s := range e.drop {
		if gone[s.first] {
			return fmt.Errorf("%s dropped twice (ENOENT)", s.first)
		}
		gone[s.first] = true
	}
	for _, s := range e.add {
		if until, there := m.hosts[id][s.first]; there && !until.over(now) && !gone[s.first] && !e.flush {
			return fmt.Errorf("%s is already there and would not be refreshed", s.first)
		}
		if sets[id].key(s.first) != s.first {
			return fmt.Errorf("%s is not a key of this set", s.first)
		}
	}
	return nil
}

// intervalsAfter returns the intervals after an edit and rejects overlaps.
func (m *model) intervalsAfter(id setID, e edit) ([]interval, error) {
	gone := make(map[netip.Addr]netip.Addr, len(e.drop))
	for _, s := range e.drop {
		gone[s.first] = s.last
	}
	var next []interval
	for _, s := range m.intervals[id] {
		if last, ok := gone[s.first]; !ok || last != s.last {
			next = append(next, s)
		}
	}
	next = append(next, e.add...)
	slices.SortFunc(next, byFirst)
	for i := 1; i < len(next); i++ {
		if !next[i-1].last.Less(next[i].first) {
			return nil, fmt.Errorf("%v and %v overlap (EEXIST)", next[i-1], next[i])
		}
	}
	return next, nil
}

func byFirst(a, b interval) int { return a.first.Compare(b.first) }

// find returns the first address of the element that contains a at that time.
func (m *model) find(id setID, a netip.Addr, now expiry) (key netip.Addr, ok bool) {
	if a.Is6() != sets[id].v6 {
		return key, false
	}
	if !sets[id].interval {
		key = sets[id].key(a)
		until, ok := m.hosts[id][key]
		return key, ok && !until.over(now)
	}
	p := m.intervals[id]
	i, found := slices.BinarySearchFunc(p, a, func(s interval, a netip.Addr) int { return s.first.Compare(a) })
	if !found {
		i--
	}
	if i < 0 || p[i].last.Less(a) || p[i].until.over(now) {
		return key, false
	}
	return p[i].first, true
}

// drop looks a packet that belongs to these scopes up in the sets, in the order of the
// rules.
func (m *model) drop(a netip.Addr, now expiry, of ...Scope) bool {
	if m.lost {
		return false
	}
	for id, s := range sets {
		if !slices.Contains(of, s.scope) {
			continue
		}
		key, ok := m.find(setID(id), a, now)
		if !ok {
			continue
		}
		if n, counted := m.hits[id][key]; counted {
			m.hits[id][key] = n + 1
		}
		return !s.allow
	}
	return false
}

func (m *model) len(id setID) int {
	if sets[id].interval {
		return len(m.intervals[id])
	}
	return len(m.hosts[id])
}

// String returns the table in nft's notation.
func (m *model) String() string {
	var b strings.Builder
	if m.lost {
		return ""
	}
	fmt.Fprintf(&b, "table inet %s {\n", m.name)
	for id := range setCount {
		s := &sets[id]
		fmt.Fprintf(&b, "\tset %s {\n", s.name)
		for _, e := range m.elements(id) {
			fmt.Fprintf(&b, "\t\t%s\n", e)
		}
		b.WriteString("\t}\n")
	}
	for _, c := range chains {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype filter hook %s priority raw; policy accept;\n", c.name, c.hook)
		for _, r := range rulesFor(m.ports) {
			fmt.Fprintf(&b, "\t\t%s\n", c.words(r))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// elements returns the contents of a set in order, one line each.
func (m *model) elements(id setID) []string {
	all := slices.Clone(m.intervals[id])
	for a, until := range m.hosts[id] {
		all = append(all, host(a, until))
	}
	slices.SortFunc(all, func(a, b interval) int { return cmp.Or(byFirst(a, b), a.last.Compare(b.last)) })
	var out []string
	for _, s := range all {
		e := s.first.String()
		if s.first != s.last {
			e += "-" + s.last.String()
		}
		if s.until != forever {
			e += " until " + s.until.time().Format(time.RFC3339Nano)
		}
		out = append(out, e)
	}
	return out
}

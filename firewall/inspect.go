package firewall

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// inspection is what exists under our table's name.
type inspection struct {
	exists   bool
	findings []string // how it differs from ours; none if it is exactly ours
	sets     map[string]setInfo
	counts   map[string]Count
}

// inspect compares a table with what we would make, without its elements.
func (k *Kernel) inspect(name string) (*inspection, error) {
	in := &inspection{sets: map[string]setInfo{}}
	tables, err := k.lookup.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == name })
	if i < 0 {
		in.find("table inet %s: missing", name)
		return in, nil
	}
	in.exists = true
	if tables[i].Flags != 0 {
		in.find("table inet %s: has flags %#x (dormant, owner), wanted none", name, uint32(tables[i].Flags))
	}
	if err := k.inspectSets(in, name); err != nil {
		return nil, fmt.Errorf("listing sets: %w", err)
	}
	if in.counts, err = k.reader.counters(name); err != nil {
		return nil, fmt.Errorf("listing counters: %w", err)
	}
	for _, c := range chains {
		if _, ok := in.counts[c.counter]; !ok {
			in.find("counter %s: missing", c.counter)
		}
	}
	if err := k.inspectChains(in, name); err != nil {
		return nil, fmt.Errorf("listing chains: %w", err)
	}
	return in, nil
}

func (in *inspection) find(format string, args ...any) {
	in.findings = append(in.findings, fmt.Sprintf(format, args...))
}

func (k *Kernel) inspectSets(in *inspection, name string) error {
	found, err := k.reader.sets(name)
	if err != nil {
		return err
	}
	for _, f := range found {
		in.sets[f.name] = f
		if !slices.ContainsFunc(sets[:], func(s set) bool { return s.name == f.name }) {
			in.find("set %s: not ours", f.name)
		}
	}
	for id := range setCount {
		f, ok := in.sets[sets[id].name]
		want := wantedSet(id, k.counted)
		switch {
		case !ok:
			in.find("set %s: missing", sets[id].name)
		case f.counted != want.counted:
			in.find("set %s: has counters: %v, wanted %v", f.name, f.counted, want.counted)
		case !f.same(want):
			in.find("set %s: has flags %#x, key type %d of %d bytes, size %d; wanted %#x, %d of %d, %d",
				f.name, f.flags, f.key, f.keyLen, f.size, want.flags, want.key, want.keyLen, want.size)
		}
	}
	return nil
}

// wantedSet is what the kernel should say about one of our sets.
func wantedSet(id setID, counted bool) setInfo {
	s := nfSet(nfTable(""), id, counted)
	w := setInfo{name: s.Name, key: s.KeyType.GetNFTMagic(), keyLen: s.KeyType.Bytes, size: s.Size, counted: s.Counter}
	if s.Interval {
		w.flags |= unix.NFT_SET_INTERVAL
	}
	if s.HasTimeout {
		w.flags |= unix.NFT_SET_TIMEOUT
	}
	return w
}

func (f setInfo) same(w setInfo) bool {
	w.elements = f.elements
	return f == w
}

func (k *Kernel) inspectChains(in *inspection, name string) error {
	all, err := k.lookup.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return err
	}
	found := map[string]*nftables.Chain{}
	for _, c := range all {
		if c.Table == nil || c.Table.Name != name {
			continue
		}
		found[c.Name] = c
		if !slices.ContainsFunc(chains[:], func(w chain) bool { return w.name == c.Name }) {
			in.find("chain %s: not ours", c.Name)
		}
	}
	for i := range chains {
		c, ok := found[chains[i].name]
		if !ok {
			in.find("chain %s: missing", chains[i].name)
			continue
		}
		if !sameChain(c, nfChain(nfTable(name), &chains[i])) {
			in.find("chain %s: has another hook, priority, type or policy", c.Name)
		}
		rules, err := k.lookup.GetRules(nfTable(name), c)
		if err != nil {
			return err
		}
		in.inspectRules(&chains[i], rulesFor(k.ports), rules)
	}
	return nil
}

func sameChain(a, b *nftables.Chain) bool {
	return a.Type == b.Type &&
		a.Hooknum != nil && *a.Hooknum == *b.Hooknum &&
		a.Priority != nil && *a.Priority == *b.Priority &&
		a.Policy != nil && *a.Policy == *b.Policy
}

func (in *inspection) inspectRules(c *chain, want []rule, rules []*nftables.Rule) {
	if len(rules) != len(want) {
		in.find("chain %s: has %d rules, wanted %d", c.name, len(rules), len(want))
		return
	}
	for i, r := range rules {
		if !sameExprs(r.Exprs, c.exprs(nfSet(nfTable(""), want[i].set, false), want[i])) {
			in.find("chain %s: rule %d is not %q", c.name, i+1, c.words(want[i]))
		}
	}
}

// sameExprs compares expressions by their encoding.
func sameExprs(a, b []expr.Any) bool {
	return slices.EqualFunc(a, b, func(a, b expr.Any) bool {
		if a, ok := a.(*expr.Lookup); ok {
			a.SetID = 0 // has a meaning only within a transaction
		}
		x, err := expr.Marshal(unix.NFPROTO_INET, a)
		if err != nil {
			return false
		}
		y, err := expr.Marshal(unix.NFPROTO_INET, b)
		return err == nil && bytes.Equal(x, y)
	})
}

package firewall

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
)

// Verify says how the table differs from what was built; nothing: not at all.
// The flows in its sets are not compared: they time out by themselves, and a
// missing one is dropped again when its phone goes on.
func (w *Watch) Verify() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, err := w.shape()
	if err != nil {
		return nil, fmt.Errorf("firewall: table inet %s: %w", w.name, explain(err))
	}
	var found []string
	for _, part := range slices.Sorted(maps.Keys(w.built)) {
		switch is, there := now[part]; {
		case !there:
			found = append(found, fmt.Sprintf("%s: missing", part))
		case is != w.built[part]:
			found = append(found, fmt.Sprintf("%s: is not as it was made", part))
		}
		delete(now, part)
	}
	for _, part := range slices.Sorted(maps.Keys(now)) {
		found = append(found, fmt.Sprintf("%s: not ours", part))
	}
	return found, nil
}

// shape is what the kernel says of the parts of the table. Each rule has a
// handle that is never given again, so that the handles tell a changed rule.
func (w *Watch) shape() (map[string]string, error) {
	parts := map[string]string{}
	tables, err := w.writer.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == w.name })
	table := "table inet " + w.name
	if i < 0 {
		return parts, nil
	}
	parts[table] = fmt.Sprintf("flags %#x", tables[i].Flags)
	sets, err := w.reader.sets(w.name)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		s.elements = 0
		parts[fmt.Sprintf("%s, set %s", table, s.name)] = fmt.Sprint(s)
	}
	all, err := w.writer.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Table == nil || c.Table.Name != w.name {
			continue
		}
		rules, err := w.writer.GetRules(nfTable(w.name), c)
		if err != nil {
			return nil, err
		}
		handles := make([]uint64, len(rules))
		for i, r := range rules {
			handles[i] = r.Handle
		}
		parts[fmt.Sprintf("%s, chain %s", table, c.Name)] = fmt.Sprint(number(c.Hooknum), number(c.Priority), number(c.Policy), c.Type, handles)
	}
	return parts, nil
}

// number is what p points to, for comparing; -1 for nothing.
func number[T ~uint32 | ~int32](p *T) int64 {
	if p == nil {
		return -1
	}
	return int64(*p)
}

package firewall

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
)

// Verify returns how the table differs from what was built, one line per
// difference, or nothing. It does not compare flows: they time out by themselves,
// and a phone whose flow is missing is dropped again when it goes on.
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

// shape returns what the kernel says about each part of the table. The kernel
// never reuses the handle of a rule, so a changed rule shows in the handles.
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

// number returns what p points to, or -1.
func number[T ~uint32 | ~int32](p *T) int64 {
	if p == nil {
		return -1
	}
	return int64(*p)
}

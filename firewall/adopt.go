package firewall

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Origin is how Open came by the table.
type Origin uint8

const (
	// Fresh means that there was none.
	Fresh Origin = iota
	// Adopted means that an intact table was kept, with its elements.
	Adopted
	// Repaired means that a damaged or different table was rebuilt.
	Repaired
)

func (o Origin) String() string { return [...]string{"fresh", "adopted", "repaired"}[o] }

// Opened is what Open found.
type Opened struct {
	Origin Origin
	// Findings are how a repaired table differed.
	Findings []string
	// Bans is how many bans were read.
	Bans int
	// Unread are the sets that were adopted without being read, since they have
	// more than maxRead elements. Their bans are in force, but Bans does not
	// return them; the next Reconcile replaces them.
	Unread []string
}

// maxRead is the size of the largest hash set that Open reads: the kernel takes
// 0.2 s to list 100,000 elements and half a minute for 1,000,000. Larger sets of
// an intact table are adopted unread. Those of a damaged table are read however
// long that takes, once.
const maxRead = 200_000

// takeOver adopts, rebuilds or makes the table.
func (k *Kernel) takeOver(cfg Config) error {
	allow, err := allowListOf(cfg.Allow)
	if err != nil {
		return err
	}
	in, err := k.inspect(k.name)
	if err != nil {
		return err
	}
	bridge, err := k.inspect(k.name + bridgeSuffix)
	if err != nil {
		return err
	}
	exact := in.exists && len(in.findings) == 0
	more, err := k.read(k.name, in, exact)
	if err != nil {
		return err
	}
	if bridge.exists { // a rebuild was interrupted: the table may lack what the bridge has
		left, err := k.read(k.name+bridgeSuffix, bridge, false)
		if err != nil {
			return err
		}
		more = append(more, left...)
	}
	now := expiryOf(time.Now())
	if exact {
		err = k.bringUpToDate(now, allow, more)
	} else {
		for _, ch := range more {
			k.mirror.put(ch.key(), max(ch.until, k.mirror.until(ch.key())))
		}
		err = k.rebuild(now, k.mirror, allow)
	}
	if err == nil && bridge.exists {
		err = k.drop(k.name + bridgeSuffix)
	}
	k.opened.Bans = k.mirror.len()
	switch {
	case exact:
		k.opened.Origin = Adopted
	case in.exists:
		k.opened.Origin, k.opened.Findings = Repaired, in.findings
	}
	return err
}

// bringUpToDate gives an adopted table the allow list of the config, and bans
// that are not in the set where they belong.
func (k *Kernel) bringUpToDate(now expiry, allow map[netip.Prefix]expiry, more []change) error {
	if err := k.setAllow(allow); err != nil {
		return err
	}
	var missing []change
	for _, ch := range latest(more) {
		if k.mirror.until(ch.key()) < ch.until {
			missing = append(missing, ch)
		}
	}
	return k.update(now, missing, 0)
}

// read lists the elements of our table or of a similar one. If it is exactly ours
// they go into the mirror, as what the kernel holds. read returns those that do
// not belong where they are, and all of a table that is not ours.
func (k *Kernel) read(table string, in *inspection, exact bool) (more []change, err error) {
	for id := range setCount {
		s := &sets[id]
		f, ok := in.sets[s.name]
		if !ok || !f.alike(wantedSet(id, k.counted)) || s.allow && !exact {
			continue
		}
		if exact && !s.interval && f.elements > maxRead {
			k.unread[id] = true
			k.opened.Unread = append(k.opened.Unread, s.name)
			continue
		}
		found, err := k.reader.elements(table, s.name)
		if err != nil {
			return nil, fmt.Errorf("listing set %s: %w", s.name, err)
		}
		intervals := intervalsOf(id, found)
		if s.interval && exact {
			k.held[id] = intervals
		}
		if s.allow {
			continue // the config has the allow list
		}
		for _, e := range intervals {
			for _, p := range s.prefixes(e) {
				// Between nested bans there may be an interval that is a /64, which
				// belongs in another set.
				ch := change{prefix: p, scope: s.scope, until: e.until}
				if exact && setOf(p, s.scope) == id {
					k.mirror.put(ch.key(), ch.until)
				} else {
					more = append(more, ch)
				}
			}
		}
	}
	return more, nil
}

// alike reports whether a set holds the same kind of elements as ours, whatever
// its size and timeouts.
func (f setInfo) alike(w setInfo) bool {
	const kind = unix.NFT_SET_INTERVAL | unix.NFT_SET_MAP | unix.NFT_SET_ANONYMOUS
	return f.key == w.key && f.keyLen == w.keyLen && f.flags&kind == w.flags&kind
}

// intervalsOf returns the elements of a set as intervals.
func intervalsOf(id setID, found []element) []interval {
	if sets[id].interval {
		return pair(found)
	}
	out := make([]interval, 0, len(found))
	for _, e := range found {
		if sets[id].key(e.key) == e.key { // otherwise no packet ever matches it
			out = append(out, host(e.key, e.until))
		}
	}
	return out
}

// prefixes returns the bans that an element of this set stands for.
func (s *set) prefixes(e interval) []netip.Prefix {
	switch {
	case s.interval:
		return prefixesOf(e)
	case s.half:
		return []netip.Prefix{netip.PrefixFrom(e.first, 64)}
	default:
		return []netip.Prefix{netip.PrefixFrom(e.first, e.first.BitLen())}
	}
}

package firewall

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Origin says how Open came by the table.
type Origin uint8

const (
	// Fresh: there was none.
	Fresh Origin = iota
	// Adopted: it was exactly ours and stays as it was, with its elements.
	Adopted
	// Repaired: there was one, but not exactly ours; it was made anew.
	Repaired
)

func (o Origin) String() string { return [...]string{"fresh", "adopted", "repaired"}[o] }

// Opened is what Open found.
type Opened struct {
	Origin Origin
	// Findings are how a repaired table differed from ours.
	Findings []string
	// Bans is how many bans were taken over into the mirror.
	Bans int
	// Unread are sets that were adopted without being read, being larger than
	// MaxRead. Their bans are in force but not in the mirror until Complete or
	// Restore.
	Unread []string
}

// MaxRead is how many elements of a hash set Open reads, at most; the kernel
// takes 0.2 s to list 100,000 and half a minute for 1,000,000. Larger sets of a
// table that is exactly ours are adopted unread, and stay in force as they are
// until Complete or Restore. Sets of a table that is not are read whatever it takes, once.
const MaxRead = 200_000

// takeOver adopts, repairs or makes the table.
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
	if bridge.exists { // a repair was cut off: the table may lack what the bridge has
		left, err := k.read(k.name+bridgeSuffix, bridge, false)
		if err != nil {
			return err
		}
		more = append(more, left...)
	}
	now := expiryOf(time.Now())
	if exact {
		err = k.complete(now, allow, more)
	} else {
		for _, o := range more {
			k.mirror.put(o.key(), max(o.until, k.mirror.until(o.key())))
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

// complete brings an adopted table up to date: the allow list of the config,
// and bans that are not in the set where they belong.
func (k *Kernel) complete(now expiry, allow map[netip.Prefix]expiry, more []change) error {
	if err := k.setAllow(allow); err != nil {
		return err
	}
	var missing []change
	for _, o := range latest(more) {
		if k.mirror.until(o.key()) < o.until {
			missing = append(missing, o)
		}
	}
	return k.update(now, missing, 0)
}

// read lists the elements of a table of ours or of one much like it. With exact
// they are booked and held, as what the kernel has; what cannot be booked as it
// stands is handed back.
func (k *Kernel) read(table string, in *inspection, exact bool) (more []change, err error) {
	for id := range setCount {
		s := &sets[id]
		f, ok := in.sets[s.name]
		if !ok || !f.alike(wantedSet(id, k.counted)) || s.allow && !exact {
			continue
		}
		if exact && !s.interval && f.elements > MaxRead {
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
			continue // the config says what is allowed
		}
		for _, interval := range intervals {
			for _, p := range s.prefixes(interval) {
				// Between nested bans a interval may come out as a /64, which
				// belongs into another set.
				o := change{prefix: p, scope: s.scope, until: interval.until}
				if exact && setOf(p, s.scope) == id {
					k.mirror.put(o.key(), o.until)
				} else {
					more = append(more, o)
				}
			}
		}
	}
	return more, nil
}

// alike tells whether a set holds what one of ours would, whatever its size and
// timeouts.
func (f setInfo) alike(w setInfo) bool {
	const kind = unix.NFT_SET_INTERVAL | unix.NFT_SET_MAP | unix.NFT_SET_ANONYMOUS
	return f.key == w.key && f.keyLen == w.keyLen && f.flags&kind == w.flags&kind
}

// intervalsOf are the elements of a set as intervals.
func intervalsOf(id setID, found []element) []interval {
	if sets[id].interval {
		return pair(found)
	}
	out := make([]interval, 0, len(found))
	for _, e := range found {
		if sets[id].key(e.key) == e.key { // else no packet ever matches it
			out = append(out, host(e.key, e.until))
		}
	}
	return out
}

// prefixes are the bans that a interval of this set stands for.
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

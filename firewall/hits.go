package firewall

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// maxQuery is how many elements are queried at a time: the replies must fit the
// socket's buffer, and bans have to wait meanwhile.
const maxQuery = 32

// Hits implements Table.
func (c *core) Hits(bans []Ban) (map[netip.Prefix]uint64, error) {
	out := make(map[netip.Prefix]uint64, len(bans))
	var keys [setCount][]netip.Addr
	var nets [scopeCount][]netip.Prefix
	for _, ban := range bans {
		p, err := normal(ban.Prefix)
		if err != nil || ban.Scope >= scopeCount {
			continue // it cannot be banned
		}
		if id := setOf(p, ban.Scope); sets[id].interval {
			nets[ban.Scope] = append(nets[ban.Scope], p)
		} else {
			keys[id] = append(keys[id], p.Addr())
		}
	}
	for id := range setCount {
		bits := keyBits(id)
		for some := range slices.Chunk(keys[id], maxQuery) {
			err := c.do("count", nil, func() error {
				return c.backend.hits(id, some, func(key netip.Addr, packets uint64) {
					out[netip.PrefixFrom(key, bits)] = packets
				})
			})
			if err != nil {
				return nil, err
			}
		}
	}
	for scope := range nets {
		for _, p := range nets[scope] {
			if err := c.netHits(setOf(p, Scope(scope)), p, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// keyBits returns the length of the prefixes that keys of a hash set stand for.
func keyBits(id setID) int {
	switch {
	case sets[id].half:
		return 64
	case sets[id].v6:
		return 128
	default:
		return 32
	}
}

// netHits adds up the hits of the intervals of a set that make up a prefix.
func (c *core) netHits(id setID, p netip.Prefix, out map[netip.Prefix]uint64) error {
	var keys []netip.Addr
	_ = c.do("count", nil, func() error { keys = within(c.held[id], p); return nil })
	for some := range slices.Chunk(keys, maxQuery) {
		err := c.do("count", nil, func() error {
			return c.backend.hits(id, some, func(_ netip.Addr, packets uint64) { out[p] += packets })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// within returns the first addresses of the intervals that overlap a prefix.
func within(intervals []interval, p netip.Prefix) (keys []netip.Addr) {
	i, _ := slices.BinarySearchFunc(intervals, p.Addr(), func(s interval, a netip.Addr) int { return s.last.Compare(a) })
	for last := lastOf(p); i < len(intervals) && !last.Less(intervals[i].first); i++ {
		keys = append(keys, intervals[i].first)
	}
	return keys
}

// hits implements backend.
func (k *Kernel) hits(id setID, keys []netip.Addr, each func(netip.Addr, uint64)) error {
	err := k.reader.get(k.name, sets[id].name, keys, func(e element) {
		if e.counted {
			each(e.key, e.packets)
		}
	})
	return lost(err)
}

// canCount reports whether the kernel can count the hits of each element of a set
// in a rule's lookup (Linux 5.7, nft_lookup_eval). Older kernels ignore the
// request, and the table would never be as it should be.
func canCount() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%c.%d", &major, &minor)
	return err == nil && (major > 5 || major == 5 && minor >= 7)
}

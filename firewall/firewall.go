package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// Ban is one address or prefix whose packets are dropped.
type Ban struct {
	// Prefix is masked to its length; 4in6 counts as IPv4.
	Prefix netip.Prefix
	// Until is the end; zero means forever. Ends after 2261 count as forever.
	Until time.Time
	// Scope is what of the address is dropped. A prefix has one ban: one of
	// another scope takes the setKey of the one before.
	Scope Scope
}

// Scope is the part of an address's traffic that a ban is about.
type Scope uint8

const (
	// All is every packet from and to the address.
	All Scope = iota
	// SIP is UDP to the SIP ports, and from them: for an address that a forged
	// packet may have named. Single addresses and IPv6 /64s only.
	SIP
)

func (s Scope) String() string { return [...]string{"all", "sip"}[s] }

// Table is a firewall table of ours: Kernel or Memory. All methods may be
// called from any goroutine; changes are applied one at a time. For the kernel
// now has to be the present, since the kernel counts its timeouts from the call.
type Table interface {
	// Ban puts bans in force or changes their end, all or nothing. The new end
	// is exactly the given one, be it earlier or later than the one before:
	// whether a ban may be shortened is the caller's decision. A ban whose end
	// is not after now is taken out. Of two bans of one prefix the last counts.
	Ban(now time.Time, bans ...Ban) error
	// Release ends the bans of exactly these prefixes; those not banned are
	// fine. A host inside a banned prefix stays dropped.
	Release(prefixes ...netip.Prefix) error
	// Restore makes exactly these the bans in force. What is banned before and
	// after is dropped all along, and left alone in the kernel when its end
	// differs by less than a second.
	Restore(now time.Time, bans []Ban) error
	// Include puts bans in force beside those that are. What is banned before
	// and after is dropped all along, and left alone in the kernel when its end
	// differs by less than a second.
	Include(now time.Time, bans []Ban) error
	// Complete says that all bans were included, after an Open that could not
	// read every set: what those hold beside them goes.
	Complete(now time.Time) error
	// Bans are those in force, from the mirror, in no order.
	Bans(now time.Time) []Ban
	// Hits are the packets dropped of each prefix since it was last given to the
	// kernel; one that is not counted is not in it. Where bans of prefixes nest
	// or touch they share intervals of the address space, and what was dropped of
	// those counts for each.
	Hits(bans []Ban) (map[netip.Prefix]uint64, error)
	// Allow replaces the allow list.
	Allow(prefixes []netip.Prefix) error
	// Stats asks what was dropped and how full the sets are.
	Stats() (Stats, error)
	// Verify compares the table with what it should be and says what differs,
	// one finding a line; none means that it is as it should be.
	Verify(now time.Time) ([]string, error)
	// Repair makes the table anew from the mirror, without a gap for what is
	// still in force.
	Repair(now time.Time) error
	// Close lets go of the table and leaves the drops in force.
	Close() error
	// Remove takes everything of ours out and closes.
	Remove() error
}

// Config says which table is ours. The zero value is a good one.
type Config struct {
	// Name of the table (family inet); "" is DefaultName. Name_bridge,
	// Name_watch and Name_check_* belong to us too.
	Name string
	// Allow is never dropped, whatever is banned.
	Allow []netip.Prefix
	// SIPPorts are what Scope SIP closes; nil is DefaultSIPPorts.
	SIPPorts []uint16
	// Uncounted leaves out what Hits tells, as kernels before 5.7 do. A counter
	// costs the kernel 35 bytes and 16 for each processor, beside the 70 of a
	// single address, and very many bans at once half the time more: 1,000,000
	// take 3.9 s instead of 2.6 s, one takes 8 µs more (Linux 6.18).
	Uncounted bool
	// NetNS is a file descriptor of the network namespace; 0 is the current one.
	NetNS int
}

// DefaultName is the table's name unless the config has another.
const DefaultName = "tollwarden"

// DefaultSIPPorts are the ports of SIP (RFC 3261 18).
var DefaultSIPPorts = []uint16{5060, 5061}

// MaxSIPPorts is how many SIP ports there can be: each costs two rules a packet
// may have to pass.
const MaxSIPPorts = 16

// Capacities. A refresh holds an element twice until its batch is committed, so
// the kernel's sets are larger than the mirror.
const (
	// MaxHosts is how many single addresses and /64s can be banned at a time.
	// The kernel needs about 90 bytes for each.
	MaxHosts = 2 << 20
	// MaxSIP is how many single addresses and /64s can be banned with Scope SIP,
	// beside those: strangers who forge addresses fill no more than this.
	MaxSIP = 256 << 10
	// MaxPrefixes is how many other prefixes can be banned at a time. Changing
	// one costs time in proportion to them all: about 1 ms at 1,000 and 20 ms
	// at this number. Single addresses and /64s cost 10 µs at any number.
	MaxPrefixes = 16 << 10
)

var (
	// ErrInvalid: a prefix or a name that cannot be used. Nothing was changed.
	ErrInvalid = errors.New("invalid")
	// ErrFull: the capacity for bans is exhausted. Nothing was changed.
	ErrFull = errors.New("no room for more bans")
	// ErrLost: the kernel has no such table, set or rule any more: somebody
	// else removed it. Repair makes it anew.
	ErrLost = errors.New("the table is not as it was left; it needs a repair")
	// ErrUnread: a set was too large to be read at Open, so the mirror are not
	// complete. Restore makes them so, and so do Include and Complete.
	ErrUnread = errors.New("the mirror are incomplete; include or restore the bans first")
	// ErrPrivilege: the kernel does not let us.
	ErrPrivilege = errors.New("not permitted: CAP_NET_ADMIN is needed (run as root, or set AmbientCapabilities=CAP_NET_ADMIN in the unit)")
	// ErrClosed: the table was closed.
	ErrClosed = errors.New("closed")
)

// Count is what a counter of the kernel says.
type Count struct{ Packets, Bytes uint64 }

// Stats is what the kernel says of the table.
type Stats struct {
	// In was dropped on its way to us, Out on its way to a banned address.
	In, Out Count
	Sets    []SetStats
}

// SetStats is the state of one set.
type SetStats struct {
	Name string
	// Elements includes those that have run out and are not yet collected. In
	// an interval set a interval counts one, and one up to the last address half,
	// rounded down. -1: this kernel does not say (before 6.15).
	Elements int
	// Size is how many elements fit.
	Size int
}

// nameRule is narrower than the kernel's, so that nft can read the name back.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// normal fills in the defaults and refuses what cannot be used.
func (c Config) normal() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if !nameRule.MatchString(c.Name) {
		return c, fmt.Errorf("firewall table %q: %w name: a lower-case letter, then up to 31 of a-z, 0-9 and _", c.Name, ErrInvalid)
	}
	allow := make([]netip.Prefix, len(c.Allow))
	for i, p := range c.Allow {
		var err error
		if allow[i], err = normal(p); err != nil {
			return c, fmt.Errorf("firewall allow list: %w", err)
		}
	}
	c.Allow = allow
	if c.SIPPorts == nil {
		c.SIPPorts = DefaultSIPPorts
	}
	if len(c.SIPPorts) == 0 || len(c.SIPPorts) > MaxSIPPorts || slices.Contains(c.SIPPorts, 0) {
		return c, fmt.Errorf("firewall SIP ports %v: %w: want 1 to %d ports", c.SIPPorts, ErrInvalid, MaxSIPPorts)
	}
	c.SIPPorts = slices.Compact(slices.Sorted(slices.Values(c.SIPPorts)))
	return c, nil
}

// normal masks a prefix and turns 4in6 into IPv4.
func normal(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("%w prefix %s", ErrInvalid, p)
	}
	if !p.Addr().Is4In6() {
		return p.Masked(), nil
	}
	if p.Bits() < 96 {
		return p, fmt.Errorf("%w prefix %s: it is wider than the IPv4-mapped addresses (/96)", ErrInvalid, p)
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked(), nil
}

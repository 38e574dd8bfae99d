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
	// Prefix is masked to its length; an IPv4-mapped one counts as IPv4.
	Prefix netip.Prefix
	// Until is the end; zero means forever, and so does any time after 2261.
	Until time.Time
	// Scope is the part of the traffic that is dropped. A prefix has one ban: a
	// new one replaces that of another scope.
	Scope Scope
}

// Scope is the part of an address's traffic that a ban applies to.
type Scope uint8

const (
	// All is every packet from and to the address.
	All Scope = iota
	// SIP is UDP to and from Config.SIPPorts, for addresses and networks that may be
	// spoofed.
	SIP
	// Asterisk is SIP, and TCP to and from Config.TCPPorts.
	Asterisk
	scopeCount
)

func (s Scope) String() string { return [...]string{"all", "sip", "asterisk"}[s] }

// Table is our firewall table: a Kernel or a Memory. All methods may be called
// from any goroutine; changes are applied one at a time. With a Kernel, now must
// be the present, since the kernel counts timeouts from the call.
type Table interface {
	// Ban puts bans in force or changes their ends, all or nothing. The end
	// becomes exactly the given one, earlier or later than before: whether a ban
	// may be shortened is up to the caller. A ban that ends no later than now is
	// released. If a prefix occurs twice, its last ban counts.
	Ban(now time.Time, bans ...Ban) error
	// Release ends the bans of exactly these prefixes; it ignores those that are
	// not banned. A host inside a banned prefix stays dropped.
	Release(prefixes ...netip.Prefix) error
	// Reconcile makes exactly these the bans in force, whatever state the table
	// is in. What is banned before and after is dropped all along; the kernel's
	// element is not touched if its end differs by less than a second. Sets that
	// Open did not read get new contents, and a table that is damaged or gone is
	// rebuilt, with its allow list. If there is no room for all, those that end
	// last are in force, and Reconcile returns ErrFull.
	Reconcile(now time.Time, bans []Ban) error
	// Invalidate makes the next Reconcile rebuild the table even if it looks
	// intact, because it has been seen not to drop what it should.
	Invalidate()
	// Bans returns the bans in force, from the mirror, in no particular order.
	Bans(now time.Time) []Ban
	// Hits returns the packets dropped for each prefix since its element was
	// last written. Prefixes that are not counted are missing. Bans of prefixes
	// that nest or touch share intervals, whose packets count for each.
	Hits(bans []Ban) (map[netip.Prefix]uint64, error)
	// Allow replaces the allow list.
	Allow(prefixes []netip.Prefix) error
	// SetPorts replaces Config.SIPPorts and Config.TCPPorts. Every ban stays in
	// force meanwhile, on ports that are closed before and after, too. After an
	// ErrLost the next Reconcile rebuilds the table with the new ports; after any
	// other error nothing has changed.
	SetPorts(udp, tcp []uint16) error
	// Stats returns what was dropped and how full the sets are.
	Stats() (Stats, error)
	// Verify compares the table with what it should be and returns one line per
	// difference, or none.
	Verify(now time.Time) ([]string, error)
	// Close lets go of the table and leaves its bans in force.
	Close() error
	// Remove deletes all our tables and closes.
	Remove() error
}

// Config identifies and describes the table. The zero value is a good default.
type Config struct {
	// Name of the table (family inet); "" means DefaultName. Name_bridge,
	// Name_watch and Name_check_* belong to us, too.
	Name string
	// Allow is never dropped, whatever is banned.
	Allow []netip.Prefix
	// SIPPorts are the UDP ports that the scopes SIP and Asterisk close; nil means
	// DefaultSIPPorts.
	SIPPorts []uint16
	// TCPPorts are the TCP ports that scope Asterisk closes; nil means
	// DefaultTCPPorts, and an empty slice none.
	TCPPorts []uint16
	// Uncounted leaves out the counters that Hits reads, as on kernels before
	// 5.7. A counter costs the kernel 35 bytes plus 16 per CPU, on top of the 70
	// of a single address, and makes large batches half as slow again: 1,000,000
	// bans take 3.9 s instead of 2.6 s, one takes 8 µs more (Linux 6.18).
	Uncounted bool
	// NetNS is a file descriptor of the network namespace; 0 is the current one.
	NetNS int
}

// DefaultName is the table's name unless Config has another.
const DefaultName = "tollwarden"

// DefaultSIPPorts are the ports of SIP (RFC 3261 section 18).
var DefaultSIPPorts = []uint16{5060, 5061}

// DefaultTCPPorts are the ports of SIP over TCP and TLS, of Asterisk's HTTP server
// with WebSocket, and of its manager interface.
var DefaultTCPPorts = []uint16{5038, 5060, 5061, 8088, 8089}

// MaxSIPPorts limits the ports of each protocol: a UDP port is eight more rules that a
// packet may have to pass, a TCP port four.
const MaxSIPPorts = 64

// Capacities. A refresh holds an element twice until its batch is committed, so
// the kernel's sets are larger than these.
const (
	// maxHosts is how many single addresses and /64s can be banned entirely, and how
	// many more with scope Asterisk. The kernel needs about 90 bytes for each.
	maxHosts = 2 << 20
	// maxSIP is how many more can be banned with Scope SIP. Spoofed addresses
	// fill no more than this.
	maxSIP = 256 << 10
	// maxSIPPrefixes is how many other prefixes can be banned with Scope SIP.
	maxSIPPrefixes = 2 << 10
	// MaxPrefixes is how many other prefixes can be banned entirely, and how many more
	// with scope Asterisk. Changing one takes time in proportion to their number: about 1 ms at 1,000, 20 ms
	// at the maximum. A single address or /64 takes 10 µs at any number.
	MaxPrefixes = 16 << 10
)

var (
	// ErrInvalid is returned for a prefix or name that cannot be used. Nothing
	// was changed.
	ErrInvalid = errors.New("invalid")
	// ErrFull is returned when there is no room for more bans. Nothing was
	// changed, except by Reconcile.
	ErrFull = errors.New("no room for more bans")
	// ErrLost is returned when the kernel no longer has our table or a part of
	// it: another program removed it. Reconcile rebuilds it.
	ErrLost = errors.New("the table was removed or damaged by another program; it has to be rebuilt")
	// ErrPrivilege is returned when the kernel denies access.
	ErrPrivilege = errors.New("not permitted: CAP_NET_ADMIN is needed (run as root, or set AmbientCapabilities=CAP_NET_ADMIN in the unit)")
	// ErrClosed is returned after Close or Remove.
	ErrClosed = errors.New("closed")
)

// Count is the value of a kernel counter.
type Count struct{ Packets, Bytes uint64 }

// Stats describes the table as the kernel sees it.
type Stats struct {
	// In was dropped on its way in, Out on its way to a banned address.
	In, Out Count
	Sets    []SetStats
}

// SetStats describes one set.
type SetStats struct {
	Name string
	// Elements includes those that have run out but are not collected yet. In an
	// interval set an interval counts as one, and one that ends with the last
	// address as half, rounded down. It is -1 if the kernel does not say (before
	// 6.15).
	Elements int
	// Size is how many elements fit.
	Size int
}

// nameRule is stricter than the kernel, so that nft can read the name back.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// normal fills in defaults and rejects what cannot be used.
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
	var err error
	if c.SIPPorts, err = normalPorts(c.SIPPorts); err != nil {
		return c, fmt.Errorf("firewall: %w", err)
	}
	if c.TCPPorts == nil {
		c.TCPPorts = DefaultTCPPorts
	}
	if c.TCPPorts, err = normalTCPPorts(c.TCPPorts); err != nil {
		return c, fmt.Errorf("firewall: %w", err)
	}
	return c, nil
}

// normalPorts returns SIP ports in order, each once.
func normalPorts(ports []uint16) ([]uint16, error) {
	if len(ports) == 0 || len(ports) > MaxSIPPorts || slices.Contains(ports, 0) {
		return nil, fmt.Errorf("SIP ports %v: %w: want 1 to %d ports", ports, ErrInvalid, MaxSIPPorts)
	}
	return slices.Compact(slices.Sorted(slices.Values(ports))), nil
}

// normalTCPPorts is normalPorts for TCP ports, of which there may be none.
func normalTCPPorts(ports []uint16) ([]uint16, error) {
	if len(ports) > MaxSIPPorts || slices.Contains(ports, 0) {
		return nil, fmt.Errorf("TCP ports %v: %w: want at most %d ports", ports, ErrInvalid, MaxSIPPorts)
	}
	return slices.Compact(slices.Sorted(slices.Values(ports))), nil
}

// normal masks a prefix and turns an IPv4-mapped one into IPv4.
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

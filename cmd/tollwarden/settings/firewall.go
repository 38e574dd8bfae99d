package settings

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/binds"
)

// Firewall is the configuration of the kernel's table. Its allow list is the
// configuration's own; see Allow.
func Firewall(cfg *config.Config) firewall.Config {
	return firewall.Config{Name: cfg.Firewall.Table, Allow: Allow(cfg), SIPPorts: cfg.Firewall.SIPPorts, TCPPorts: cfg.Firewall.TCPPorts, Uncounted: !cfg.Firewall.Counters}
}

// Ports are the ports of the configuration, which are always closed to whoever is
// banned: Asterisk's manager interface is one of them.
func Ports(cfg *config.Config) binds.Configured {
	c := binds.Configured{UDP: cfg.Firewall.SIPPorts, TCP: cfg.Firewall.TCPPorts}
	if _, text, err := net.SplitHostPort(cfg.Asterisk.Address); err == nil {
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			c.AMI = uint16(port)
		}
	}
	return c
}

// Allow is what the configuration file itself allows now: the prefixes of
// firewall.allow, and Asterisk's manager interface if it is configured by its address.
func Allow(cfg *config.Config) []netip.Prefix {
	allow := config.AllowedPrefixes(cfg.Firewall.Allow, time.Now())
	if host, ok := ManagerHost(cfg); ok && !slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(host.Addr()) }) {
		allow = append(allow, host)
	}
	return allow
}

// ManagerHost is the address of Asterisk's manager interface, if it is configured
// by its address. It is never banned: without its events nothing would be seen.
func ManagerHost(cfg *config.Config) (netip.Prefix, bool) {
	ap, err := netip.ParseAddrPort(cfg.Asterisk.Address)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr := ap.Addr().Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// AllowPath is where the allow file is.
func AllowPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "allow") }

// LedgerPath is where the ledger is.
func LedgerPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "ledger.db") }

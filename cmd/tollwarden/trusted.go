package main

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
)

// Trusted are whom Asterisk's configuration speaks to, names resolved.
func (p *pbx) Trusted(ctx context.Context) ([]responder.Protected, error) {
	list, err := p.manager.Trusted(ctx)
	var out []responder.Protected
	for _, t := range list {
		if prefix, err := config.ParsePrefix(t.Host); err == nil {
			out = append(out, responder.Protected{Prefix: prefix, Why: t.Why})
			continue
		}
		for _, addr := range p.names.resolve(ctx, t.Host) {
			out = append(out, responder.Protected{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Why: t.Why + " (" + t.Host + ")"})
		}
	}
	return out, err
}

// names resolves the carriers' names. A name server that does not answer must
// not take a carrier's protection away: what it last said holds.
type names struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
}

// resolveWithin bounds one name.
const resolveWithin = 3 * time.Second

func (n *names) resolve(ctx context.Context, name string) []netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	hosts := []string{name}
	if _, services, err := net.DefaultResolver.LookupSRV(ctx, "sip", "udp", name); err == nil { // RFC 3263 4.2
		for _, s := range services {
			hosts = append(hosts, s.Target)
		}
	}
	var found []netip.Addr
	for _, host := range hosts {
		if addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err == nil {
			for _, a := range addrs {
				found = append(found, a.Unmap())
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(found) == 0 {
		return n.known[name]
	}
	if n.known == nil {
		n.known = map[string][]netip.Addr{}
	}
	n.known[name] = found
	return found
}

package pbx

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// resolver resolves the carriers' names. A name server that does not answer must
// not take a carrier's protection away: its last answer holds.
type resolver struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
}

// resolveWithin bounds one name.
const resolveWithin = 3 * time.Second

func (r *resolver) resolve(ctx context.Context, name string) []netip.Addr {
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(found) == 0 {
		return r.known[name]
	}
	if r.known == nil {
		r.known = map[string][]netip.Addr{}
	}
	r.known[name] = found
	return found
}

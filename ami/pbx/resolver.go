package pbx

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// resolver resolves the carriers' names. A name server that does not answer must
// not take a carrier's protection away: its last answer holds.
type resolver struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
}

const (
	// resolveWithin bounds one name.
	resolveWithin = 3 * time.Second
	// resolveAtOnce bounds the names that are resolved at the same time.
	resolveAtOnce = 16
)

// resolveAll resolves the hosts that are names.
func (r *resolver) resolveAll(ctx context.Context, hosts []correspondent) map[string][]netip.Addr {
	var (
		mu    sync.Mutex
		found = map[string][]netip.Addr{}
		group errgroup.Group
	)
	group.SetLimit(resolveAtOnce)
	for _, c := range hosts {
		if _, isAddress := parsePrefix(c.host); isAddress {
			continue
		}
		mu.Lock()
		_, asked := found[c.host]
		if !asked {
			found[c.host] = nil
		}
		mu.Unlock()
		if asked {
			continue
		}
		group.Go(func() error {
			addrs := r.resolve(ctx, c.host)
			mu.Lock()
			defer mu.Unlock()
			found[c.host] = addrs
			return nil
		})
	}
	_ = group.Wait() // its functions return no error
	return found
}

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

package config

import (
	"net"
	"time"
)

// maxCheckInterval is the longest time between two checks of the same kind.
const maxCheckInterval = time.Hour

func (p *parser) health(f *file, h *Health) {
	p.duration("health.canary", f.Health.Canary, &h.Canary)
	p.between("health.canary", h.Canary, time.Second, maxCheckInterval)
	p.duration("health.firewall", f.Health.Firewall, &h.Firewall)
	p.between("health.firewall", h.Firewall, time.Second, maxCheckInterval)
	set(f.Health.Listen, &h.Listen)
	if h.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil || host == "" || !isPort(port) {
		p.fail("health.listen", `%q: want host:port, such as "127.0.0.1:9465", or "" to switch it off`, h.Listen)
	}
}

func (p *parser) between(key string, d, low, high time.Duration) {
	if d < low || d > high {
		p.fail(key, "%s: want %s to %s", FormatDuration(d), FormatDuration(low), FormatDuration(high))
	}
}

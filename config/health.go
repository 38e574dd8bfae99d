package config

import (
	"net"
	"time"
)

// slowest is how long the daemon may at most go without a proof.
const slowest = time.Hour

func (p *parser) health(f *file, h *Health) {
	p.duration("health.canary", f.Health.Canary, &h.Canary)
	p.between("health.canary", h.Canary, time.Second, slowest)
	p.duration("health.kernel", f.Health.Kernel, &h.Kernel)
	p.between("health.kernel", h.Kernel, time.Second, slowest)
	set(f.Health.Listen, &h.Listen)
	if h.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil || host == "" || !isPort(port) {
		p.fail("health.listen", `%q: want host:port, such as "127.0.0.1:9465", or "" for nowhere`, h.Listen)
	}
}

func (p *parser) between(key string, d, low, high time.Duration) {
	if d < low || d > high {
		p.fail(key, "%s: want %s to %s", FormatDuration(d), FormatDuration(low), FormatDuration(high))
	}
}

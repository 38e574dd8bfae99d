package contain

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// tries are the networks that tried an account's password last, and when.
type tries map[netip.Prefix]time.Time

// add records a try. It keeps the newest networks, at most so many.
func (t tries) add(now time.Time, source netip.Addr, most int) {
	network := event.NetworkPrefix(source)
	if _, known := t[network]; !known && len(t) >= most {
		oldest := network
		for n, at := range t {
			if oldest == network || at.Before(t[oldest]) {
				oldest = n
			}
		}
		delete(t, oldest)
	}
	t[network] = now
}

// since counts the networks that tried within a time.
func (t tries) since(now time.Time, within time.Duration) (n int) {
	for _, at := range t {
		if now.Sub(at) < within {
			n++
		}
	}
	return n
}

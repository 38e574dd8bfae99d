package config

import "time"

// Breaker says from how many extensions the daemon may take the use of them, by itself,
// within a time: change the password, lock, or remove registrations.
type Breaker struct {
	Accounts int           // 0: as many as there are
	Within   time.Duration // at most a day
}

// Bounds of [breaker].
const (
	maxBreakerAccounts = 1000
	maxBreakerWithin   = 24 * time.Hour
)

func (p *parser) breaker(f *file, b *Breaker) {
	set(f.Breaker.Accounts, &b.Accounts)
	if b.Accounts < 0 || b.Accounts > maxBreakerAccounts {
		p.fail("breaker.accounts", "%d: want 0 (no limit) to %d", b.Accounts, maxBreakerAccounts)
	}
	p.duration("breaker.within", f.Breaker.Within, &b.Within)
	p.between("breaker.within", b.Within, time.Minute, maxBreakerWithin)
}

// ParseDuration reads a duration as the configuration has it: "90s", "15m", "1h30m", "7d".
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s) }

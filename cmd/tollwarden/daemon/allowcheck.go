package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

// watchAllowList resolves the host names on the allow list, and puts in force what has
// changed with time: where a name leads, and entries that have ended.
func (c *configuration) watchAllowList(ctx context.Context) error {
	tick := time.NewTicker(namesEvery)
	defer tick.Stop()
	for {
		c.names.refresh(ctx, func() []string { return c.allow.names(time.Now()) })
		c.refreshAllowList(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// refreshAllowList puts the allow list in force if it has changed with time.
func (c *configuration) refreshAllowList(now time.Time) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.engine.SetNamed(now, c.names.places(c.allow.names(now)))
	list := c.allow.prefixes(now)
	if slices.Equal(list, c.enforced) {
		return
	}
	if _, err := c.engine.Allow(list); err != nil {
		c.log.Error().Err(err).Msg("an entry of the allow list has ended, and is still in force: retrying within a minute")
		return
	}
	c.enforced = list
	c.log.Info().Msg("entries of the allow list have ended")
}

// checkAllowList checks that the allow list lets no large part of the internet attack, and
// that what stands on it is in force.
func (c *configuration) checkAllowList(now time.Time) control.Check {
	check := control.Check{Name: "allow"}
	list := c.allow.list(now)
	var prefixes []netip.Prefix
	var refused []string
	for _, a := range list {
		if a.Refused != "" {
			refused = append(refused, "not in force: "+refusedWords(a))
		}
		if a.Prefix.IsValid() && a.InForce() {
			prefixes = append(prefixes, a.Prefix)
		}
	}
	if len(refused) > 0 {
		check.Detail = strings.Join(refused, "; ")
		return check
	}
	covered := config.Covered(prefixes)
	if check.OK = !covered.Huge(); !check.OK {
		check.Detail = coverWords(covered) + ": remove the largest networks with `tollwarden allow remove ADDRESS`, or from firewall.allow"
		return check
	}
	if check.Detail = strings.Join(c.allowWarnings(now, list, covered), "; "); check.Detail == "" {
		check.Detail = entryCount(list)
	}
	return check
}

// entryCount counts the entries in force.
func entryCount(list []control.Allowed) string {
	n := 0
	for _, a := range list {
		if a.InForce() {
			n++
		}
	}
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// allowWarnings are what a person should know of the allow list, though attacks from
// elsewhere are stopped.
func (c *configuration) allowWarnings(now time.Time, list []control.Allowed, covered config.Coverage) (words []string) {
	if covered.Wide() {
		words = append(words, "WARNING: "+coverWords(covered))
	}
	for _, name := range c.allow.names(now) {
		if addresses, problem := c.names.of(name); problem != "" {
			words = append(words, fmt.Sprintf("WARNING: %s: %s; known there: %s", name, problem, addressWords(addresses)))
		}
	}
	return words
}

func coverWords(c config.Coverage) string {
	if c.V6 > 1<<32 && c.V4 <= 1<<16 {
		return "the allow list covers more than an IPv6 /32, where no attacker is ever blocked"
	}
	return fmt.Sprintf("the allow list covers %d public IPv4 addresses, more than a /16, where no attacker is ever blocked", c.V4)
}

func addressWords(list []netip.Addr) string {
	if len(list) == 0 {
		return "nothing"
	}
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

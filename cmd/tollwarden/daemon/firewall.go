package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// firewallAdapter is a firewall table as the engine sees it. The table knows
// prefixes and ends; the engine knows the reasons.
type firewallAdapter struct{ table firewall.Table }

var _ bans.Firewall = firewallAdapter{}

// Ban drops packets from the prefixes until their times.
func (f firewallAdapter) Ban(now time.Time, list []incident.Ban) error {
	return full(f.table.Ban(now, tableBans(list)...))
}

// Release lets the prefixes through again.
func (f firewallAdapter) Release(prefixes ...netip.Prefix) error { return f.table.Release(prefixes...) }

// Reconcile drops exactly these prefixes, whatever state the table is in.
func (f firewallAdapter) Reconcile(now time.Time, list []incident.Ban) error {
	return full(f.table.Reconcile(now, tableBans(list)))
}

// full makes a full table's error one that the engine knows.
func full(err error) error {
	if errors.Is(err, firewall.ErrFull) {
		return fmt.Errorf("%w: %w", bans.ErrFull, err)
	}
	return err
}

// Bans returns the prefixes dropped now.
func (f firewallAdapter) Bans(now time.Time) []incident.Ban {
	table := f.table.Bans(now)
	list := make([]incident.Ban, 0, len(table))
	for _, b := range table {
		if firewall.IsCanary(b.Prefix) { // left by a probe that was interrupted
			continue
		}
		list = append(list, incident.Ban{Prefix: b.Prefix, Until: b.Until, Scope: scopeOf(b.Scope)})
	}
	return list
}

// Allow replaces the list of what is never dropped.
func (f firewallAdapter) Allow(prefixes []netip.Prefix) error { return f.table.Allow(prefixes) }

// tableBans are bans as a table takes them.
func tableBans(bans []incident.Ban) []firewall.Ban {
	list := make([]firewall.Ban, len(bans))
	for i, b := range bans {
		list[i] = firewall.Ban{Prefix: b.Prefix, Until: b.Until, Scope: tableScope(b.Scope)}
	}
	return list
}

// tableScope is a scope as a table takes it.
func tableScope(s incident.Scope) firewall.Scope {
	switch s {
	case incident.ScopeSIP:
		return firewall.SIP
	case incident.ScopeAsterisk:
		return firewall.Asterisk
	}
	return firewall.All
}

// scopeOf is the scope of a table's ban.
func scopeOf(s firewall.Scope) incident.Scope {
	switch s {
	case firewall.SIP:
		return incident.ScopeSIP
	case firewall.Asterisk:
		return incident.ScopeAsterisk
	}
	return incident.ScopeAll
}

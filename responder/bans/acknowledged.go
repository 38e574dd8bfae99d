package bans

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Acknowledged records since when the kernel drops a ban. It does nothing if another ban
// has taken its place meanwhile.
func (r *Registry) Acknowledged(at time.Time, ban incident.Ban) {
	is, ok := r.bans.Get(ban.Prefix)
	if ok && is.Since.Equal(ban.Since) && is.Until.Equal(ban.Until) && is.Scope == ban.Scope {
		is.dropped = at.UnixMicro()
		r.put(is)
	}
}

// AcknowledgedAll records that the kernel drops every ban, as after a reconcile.
func (r *Registry) AcknowledgedAll(at time.Time) {
	if r.pending == 0 {
		return
	}
	var pending []entry
	for _, ban := range r.bans.All() {
		if ban.dropped == 0 {
			ban.dropped = at.UnixMicro()
			pending = append(pending, ban)
		}
	}
	for _, ban := range pending {
		r.put(ban)
	}
}

// Loaded records when the kernel had taken all bans at a start, which can take seconds:
// before that no ban counts as dropped.
func (r *Registry) Loaded(at time.Time) { r.loaded = at.UnixMicro() }

// Unacknowledged records that the kernel is asked again to drop a ban.
func (r *Registry) Unacknowledged(ban incident.Ban) {
	if is, ok := r.bans.Get(ban.Prefix); ok {
		is.dropped = 0
		r.put(is)
	}
}

// unacknowledgeAll records that it is not known which bans the kernel drops.
func (r *Registry) unacknowledgeAll() {
	all := make([]entry, 0, r.bans.Size())
	for _, ban := range r.bans.All() {
		ban.dropped = 0
		all = append(all, ban)
	}
	for _, ban := range all {
		r.put(ban)
	}
}

// Dropping is the ban by which the kernel drops an address, and since when; of several
// the one that drops most. ok is false while no ban of the address is
// acknowledged. An address that is not banned costs one lookup. Dropping allocates
// nothing.
func (r *Registry) Dropping(now time.Time, addr netip.Addr) (ban incident.Ban, since time.Time, ok bool) {
	if !r.bans.Contains(addr) {
		return ban, since, false
	}
	for _, b := range r.bans.Supernets(netip.PrefixFrom(addr, addr.BitLen())) {
		if b.dropped == 0 || b.Observed || !b.InForce(now) || ok && !b.Scope.Wider(ban.Scope) {
			continue
		}
		ban, since, ok = b.Ban, time.UnixMicro(max(b.dropped, r.loaded)), true
		if ban.Scope.Everything() {
			break
		}
	}
	return ban, since, ok
}

package responder

import (
	"fmt"
	"net/netip"
	"time"
)

// Allow makes list the allow list at once: the kernel lets these through,
// nothing bans them any more, and the bans that they cover whole are released.
// An allowed address inside a wider ban needs no release: the kernel asks the
// allow list first.
func (r *Responder) Allow(list []netip.Prefix) (released []Ban, err error) {
	now := time.Now()
	if err := r.parts.Firewall.Allow(list); err != nil {
		return nil, fmt.Errorf("allow: %w", err)
	}
	r.mu.Lock()
	r.trust.setAllow(list)
	for _, ban := range r.book.list(now) {
		if r.trust.allowed(ban.Prefix) {
			released = append(released, ban)
		}
	}
	r.mu.Unlock()
	newestFirst(released)
	return released, r.release(now, released, byAllowList)
}

// byAllowList is who released what the allow list covers.
const byAllowList = "the allow list"

// Protected is a source that only proven evidence bans, and why.
type Protected struct {
	Prefix netip.Prefix
	Why    string
}

// Protected are the sources that the PBX itself trusts.
func (r *Responder) Protected() []Protected {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Protected
	for prefix, why := range r.trust.protected() {
		list = append(list, Protected{prefix, why})
	}
	return list
}

// Acted records an order that was carried out elsewhere, such as a change of
// the allow file.
func (r *Responder) Acted(uid uint32, what, target, detail string) {
	r.act(time.Now(), uid, what, target, detail)
}

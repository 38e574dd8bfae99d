package daemon

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// AllowList is everything that is never banned, or only on proven evidence.
func (b *apiBackend) AllowList() []control.Allowed {
	list := b.config.allow.list()
	protected := b.engine.Protected()
	slices.SortFunc(protected, func(a, b places.Carrier) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	for _, p := range protected {
		list = append(list, control.Allowed{Prefix: p.Prefix, Origin: control.Learned, Reason: p.Why})
	}
	return list
}

// Allow changes the allow list.
func (b *apiBackend) Allow(uid uint32, o control.AllowOrder) (control.Changed, error) {
	if !o.Prefix.IsValid() {
		return control.Changed{}, control.Refusal("give an address or a prefix")
	}
	o.Prefix = o.Prefix.Masked()
	message := "allowed " + incident.PrefixText(o.Prefix)
	if o.Remove {
		message = incident.PrefixText(o.Prefix) + " is no longer allowed"
	}
	released, err := b.config.changeAllowList(time.Now(), uid, o)
	if err != nil {
		return control.Changed{}, err
	}
	if len(released) > 0 {
		message += fmt.Sprintf(", released %d of its bans", len(released))
	}
	return b.flushed(control.Changed{
		Bans: released, Message: message,
		Allowed: []control.Allowed{{Prefix: o.Prefix, Origin: control.FromFile, Reason: o.Comment}},
	})
}

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/places"
)

// AllowList is everything that is never banned, or only on proven evidence.
func (b *apiBackend) AllowList() []control.Allowed {
	now := time.Now()
	list := b.config.allow.list(now)
	for i := range list {
		if list[i].Name != "" && list[i].InForce() {
			list[i].Addresses, _ = b.config.names.of(list[i].Name)
		}
	}
	protected := b.engine.Protected()
	slices.SortFunc(protected, func(a, b places.Protected) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	for _, p := range protected {
		list = append(list, control.Allowed{Prefix: p.Prefix, Origin: control.Learned, Reason: p.Why})
	}
	return list
}

// Allow changes the allow list.
func (b *apiBackend) Allow(uid uint32, o control.AllowOrder) (control.Changed, error) {
	if !o.Prefix.IsValid() && o.Name == "" {
		return control.Changed{}, control.Refusal("give an address, a prefix or a host name")
	}
	if o.Prefix.IsValid() {
		o.Prefix = o.Prefix.Masked()
	}
	if item, err := config.ParseAllow(o.Name); o.Name != "" && (err != nil || item.Name != o.Name) {
		return control.Changed{}, control.Refusal(fmt.Sprintf("%q is not a host name", o.Name))
	}
	if o.Name != "" && !o.Remove {
		b.config.names.add(context.Background(), o.Name)
	}
	released, err := b.config.changeAllowList(time.Now(), uid, o)
	if err != nil {
		return control.Changed{}, err
	}
	message := b.allowMessage(o)
	if len(released) > 0 {
		message += fmt.Sprintf(", released %d of its bans", len(released))
	}
	return b.flushed(control.Changed{
		Bans: released, Message: message,
		Allowed: []control.Allowed{allowed(orderItem(o), time.Now(), control.Allowed{Origin: control.FromFile, Reason: o.Comment})},
	})
}

// allowMessage says what an order did.
func (b *apiBackend) allowMessage(o control.AllowOrder) string {
	what := orderItem(o).What()
	switch {
	case o.Remove:
		return what + " is no longer allowed"
	case o.Name == "":
		return "allowed " + what
	}
	return nameMessage(o.Name, b.config.names.of)
}

// nameMessage says where a host name that is added leads.
func nameMessage(name string, of func(string) ([]netip.Addr, string)) string {
	addresses, problem := of(name)
	words := fmt.Sprintf("added %s: every extension counts as known at %s", name, addressWords(addresses))
	if len(addresses) == 0 {
		words = fmt.Sprintf("added %s, which has no effect until it can be resolved", name)
	}
	if problem != "" {
		words += " (" + problem + ")"
	}
	return words
}

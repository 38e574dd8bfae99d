package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// AllowList is everything that is not banned, or not lightly.
func (k desk) AllowList() []control.Allowed {
	list := k.d.allow.list()
	protected := k.d.engine.Protected()
	slices.SortFunc(protected, func(a, b places.Carrier) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	for _, p := range protected {
		list = append(list, control.Allowed{Prefix: p.Prefix, Origin: control.Learned, Reason: p.Why})
	}
	return list
}

// Allow changes the allow list: in the kernel at once, then in the allow file.
func (k desk) Allow(uid uint32, o control.AllowOrder) (control.Changed, error) {
	if !o.Prefix.IsValid() {
		return control.Changed{}, control.Refusal("name an address or a prefix")
	}
	o.Prefix = o.Prefix.Masked()
	what, message := "allow", "allowed "+incident.PrefixText(o.Prefix)
	if o.Remove {
		what, message = "disallow", incident.PrefixText(o.Prefix)+" is no longer allowed"
	}
	var released []incident.Ban
	k.d.reloading.Lock() // one change of the list at a time
	defer k.d.reloading.Unlock()
	err := k.d.allow.change(o, uid, time.Now(), func(list []netip.Prefix) (err error) {
		released, err = k.d.engine.Allow(list)
		return err
	})
	if err == nil || errors.Is(err, errUnwritten) {
		k.d.engine.Acted(time.Now(), uid, what, incident.PrefixText(o.Prefix), o.Comment)
	}
	if err != nil {
		return control.Changed{}, err
	}
	if len(released) > 0 {
		message += fmt.Sprintf(", released %d of its bans", len(released))
	}
	return k.kept(control.Changed{
		Bans: released, Message: message,
		Allowed: []control.Allowed{{Prefix: o.Prefix, Origin: control.FromFile, Reason: o.Comment}},
	})
}

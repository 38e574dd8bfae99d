package bans

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// PartialBlocks are what is done at addresses that are not banned.
type PartialBlocks interface {
	// PartialBlocks are those in force, in no particular order. Called under the lock.
	PartialBlocks(now time.Time) []incident.PartialBlock
	// Lift ends one. done is called later, without the lock, when the kernel has
	// taken that or refused it; false means that there is no room now. Called under
	// the lock.
	Lift(b incident.PartialBlock, done func(error)) (room bool)
}

// ListPartial is every partial block in force, the newest first.
func (o *Operator) ListPartial(now time.Time) (list []incident.PartialBlock) {
	if o.Partial == nil {
		return nil
	}
	o.With(func() { list = o.Partial.PartialBlocks(now) })
	slices.SortFunc(list, func(x, y incident.PartialBlock) int {
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return x.Source().Compare(y.Source())
	})
	return list
}

// UnbanFlow lets one flow through again: that of one phone behind an address that
// others use. With forgive the offences of the address are cleared as well.
func (o *Operator) UnbanFlow(flow netip.AddrPort, forgive bool, uid uint32) (r Released, err error) {
	now := time.Now()
	flow = netip.AddrPortFrom(flow.Addr().Unmap(), flow.Port())
	r.Partial, err = o.lift(now, func(b incident.PartialBlock) bool { return b.Kind == incident.BlockedFlow && b.Flow == flow })
	address := netip.PrefixFrom(flow.Addr(), flow.Addr().BitLen())
	switch {
	case err != nil:
		return r, err
	case r.Nothing() && !forgive:
		return r, fmt.Errorf("%w: %s is not blocked: %s", incident.ErrRefused, flow, o.insteadOf(now, address))
	}
	if forgive {
		o.With(func() { r.Forgiven = o.clearOffences(address) })
	}
	o.Acted(now, uid, "unban", flow.String(), r.detail(forgive))
	return r, nil
}

// insteadOf is what a person can do who looks for a flow that is not blocked.
func (o *Operator) insteadOf(now time.Time, address netip.Prefix) (advice string) {
	advice = incident.Command("bans") + " lists what is"
	o.With(func() {
		if ban, ok := o.Registry.Covering(now, address); ok {
			wide := incident.PrefixText(ban.Prefix)
			advice = "all of " + wide + " is, and " + incident.Command("unban", wide) + " releases it"
		}
	})
	return advice
}

// liftAtOnce is how many partial blocks are given to the kernel at a time.
const liftAtOnce = 128

// lift ends the partial blocks that match, with the scores of their addresses, and
// waits for the kernel. Beside an error it returns those that are lifted.
func (o *Operator) lift(now time.Time, match func(incident.PartialBlock) bool) (lifted []incident.PartialBlock, err error) {
	all := slices.DeleteFunc(o.ListPartial(now), func(b incident.PartialBlock) bool { return !match(b) })
	for some := range slices.Chunk(all, liftAtOnce) {
		rooms, doneC := make([]bool, len(some)), make([]chan error, len(some))
		o.With(func() {
			for i, b := range some {
				doneC[i] = make(chan error, 1)
				if rooms[i] = o.Partial.Lift(b, answer(doneC[i])); rooms[i] {
					o.ClearScore(b.Source())
				}
			}
		})
		for i, b := range some {
			if e := await(rooms[i], doneC[i]); e != nil {
				err = fmt.Errorf("let %s through: %w", b.Target(), e)
				continue
			}
			lifted = append(lifted, b)
		}
		if err != nil {
			return lifted, err
		}
	}
	return lifted, nil
}

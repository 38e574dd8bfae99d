package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// maxHits is how many bans the kernel is asked about for one list: 5 µs each.
const maxHits = 100_000

// Bans are the bans in force, newest first, and what each has dropped. Among them are those that
// mode observe has not carried out.
func (b *apiBackend) Bans() []incident.Ban {
	list := b.engine.Bans.List(time.Now())
	inForce := slices.DeleteFunc(slices.Clone(list), func(b incident.Ban) bool { return b.Observed })
	hits, err := b.kernel.table.Hits(tableBans(inForce[:min(len(inForce), maxHits)]))
	if err != nil {
		return list // the checks say what is wrong with the table
	}
	for i := range list {
		if n, ok := hits[list[i].Prefix]; ok && !list[i].Observed {
			list[i].Packets = &n
		}
	}
	return list
}

// Partial are the flows that are blocked and the addresses that are throttled or closed,
// newest first.
func (b *apiBackend) Partial() []incident.PartialBlock {
	return append([]incident.PartialBlock{}, b.engine.Bans.ListPartial(time.Now())...)
}

// countPartial counts partial blocks by kind.
func countPartial(list []incident.PartialBlock) (flows, throttled int) {
	for _, b := range list {
		if b.Kind != incident.BlockedFlow {
			throttled++
		} else {
			flows++
		}
	}
	return flows, throttled
}

// kinds says what was done at an address as a whole.
func kinds(list []incident.PartialBlock) string {
	var words []string
	for _, b := range list {
		word := map[incident.PartialKind]string{incident.ThrottledAddress: "throttled", incident.ClosedAddress: "closed"}[b.Kind]
		if word != "" && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, " or ")
}

// phones names the flows among partial blocks.
func phones(list []incident.PartialBlock) string {
	var words []string
	for _, b := range list {
		if b.Kind == incident.BlockedFlow {
			words = append(words, b.Target())
		}
	}
	return output.Join(words)
}

// Ban bans a prefix by an operator's order.
func (b *apiBackend) Ban(uid uint32, o control.BanOrder) (control.Changed, error) {
	d, err := config.ParseBanTime(o.For)
	if err != nil {
		return control.Changed{}, control.Refusal(fmt.Sprintf("--for %q: %v", o.For, err))
	}
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	switch o.Scope {
	case "", incident.ScopeAll, incident.ScopeAsterisk:
	default:
		return control.Changed{}, control.Refusal(fmt.Sprintf("--scope %q: want all or asterisk", string(o.Scope)))
	}
	if why := b.harm(o); why != "" && !o.Force {
		return control.Changed{}, control.Refusal("refused: " + why + "; use --force to ban it anyway")
	}
	ban, err := b.engine.Bans.BanScope(o.Prefix, until, o.Scope, o.Reason, o.Force, uid)
	if err != nil {
		return control.Changed{}, refusal(err)
	}
	return b.flushed(control.Changed{
		Bans: []incident.Ban{ban}, Message: fmt.Sprintf("banned %s, %s%s", incident.PrefixText(ban.Prefix), output.UntilWords(ban.Until), closesWords(ban.Scope)),
	})
}

// closesWords say what a ban leaves open.
func closesWords(s incident.Scope) string {
	if s == incident.ScopeAsterisk {
		return ", from Asterisk's ports only; SSH and everything else stays open"
	}
	return ""
}

// harm is what a ban would do to the person who orders it, or to the daemon.
func (b *apiBackend) harm(o control.BanOrder) string {
	for _, host := range b.config.allow.managers(context.Background()) {
		if o.Prefix.Overlaps(host) {
			return incident.PrefixText(host) + " is " + managerReason + ": " + blindWithout
		}
	}
	if o.Scope == incident.ScopeAsterisk {
		return "" // sessions go on
	}
	if o.Operator.IsValid() && o.Prefix.Contains(o.Operator) {
		return o.Operator.String() + " is where you are logged in from: the ban would cut off your own session"
	}
	for _, session := range o.Sessions {
		if o.Prefix.Contains(session) {
			return "somebody is logged in by SSH from " + session.String() + ": the ban would cut off that session"
		}
	}
	return ""
}

// Unban releases everything about an address, one flow, or everything.
func (b *apiBackend) Unban(uid uint32, o control.UnbanOrder) (control.Changed, error) {
	released, err := b.unban(uid, o)
	if err != nil {
		return control.Changed{Bans: released.Bans, Partial: released.Partial}, refusal(err)
	}
	message := releasedText(o, released)
	if !o.All && o.Prefix.IsValid() {
		if held := b.engine.Bans.StillHeld(o.Prefix); held != "" {
			message += "; " + held
		}
	}
	if o.Forgive {
		message += "; forgot its wrong passwords and " + incident.Count(released.Forgiven, "earlier ban")
	}
	return b.flushed(control.Changed{Bans: released.Bans, Partial: released.Partial, Message: message})
}

func (b *apiBackend) unban(uid uint32, o control.UnbanOrder) (bans.Released, error) {
	switch {
	case o.All:
		return b.engine.Bans.UnbanAll(o.Forgive, uid)
	case o.Flow.IsValid():
		return b.engine.Bans.UnbanFlow(o.Flow, o.Forgive, uid)
	}
	return b.engine.Bans.Unban(o.Prefix, o.Forgive, uid)
}

// releasedText says what was released.
func releasedText(o control.UnbanOrder, released bans.Released) string {
	target := incident.PrefixText(o.Prefix)
	if o.Flow.IsValid() {
		target = o.Flow.String()
	}
	var words []string
	switch n := len(released.Bans); {
	case o.All:
		words = append(words, "released "+incident.Count(n, "ban"))
	case n == 1:
		words = append(words, "released "+incident.PrefixText(released.Bans[0].Prefix))
	case released.Nothing(): // to forgive it
		words = append(words, target+" was not banned")
	}
	flows, throttled := countPartial(released.Partial)
	if flows > 0 {
		words = append(words, fmt.Sprintf("let %s through again: %s", incident.Count(flows, "phone"), phones(released.Partial)))
	}
	switch {
	case throttled > 0 && o.All:
		words = append(words, fmt.Sprintf("throttled or closed addresses set free: %d", throttled))
	case throttled > 0:
		words = append(words, target+" is no longer "+kinds(released.Partial))
	}
	return strings.Join(words, "; ")
}

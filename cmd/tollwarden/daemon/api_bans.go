package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// maxHits is how many bans the kernel is asked about for one list: 5 µs each.
const maxHits = 100_000

// Bans are the bans in force, newest first, and what each has dropped.
func (b *apiBackend) Bans() []incident.Ban {
	list := b.engine.Bans.List(time.Now())
	hits, err := b.kernel.table.Hits(tableBans(list[:min(len(list), maxHits)]))
	if err != nil {
		return list // the checks say what is wrong with the table
	}
	for i := range list {
		if n, ok := hits[list[i].Prefix]; ok {
			list[i].Packets = &n
		}
	}
	return list
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

// Unban releases one ban, or all of them.
func (b *apiBackend) Unban(uid uint32, o control.UnbanOrder) (control.Changed, error) {
	unban := func() ([]incident.Ban, int, error) { return b.engine.Bans.Unban(o.Prefix, o.Forgive, uid) }
	if o.All {
		unban = func() ([]incident.Ban, int, error) { return b.engine.Bans.UnbanAll(o.Forgive, uid) }
	}
	released, offences, err := unban()
	if err != nil {
		return control.Changed{Bans: released}, refusal(err)
	}
	message := releasedText(o, released)
	if held := b.engine.Bans.StillHeld(o.Prefix); !o.All && held != "" {
		message += "; " + held
	}
	if o.Forgive {
		message += "; forgot the score and " + incident.Count(offences, "offence")
	}
	return b.flushed(control.Changed{Bans: released, Message: message})
}

// releasedText says which bans were released.
func releasedText(o control.UnbanOrder, released []incident.Ban) string {
	switch {
	case len(released) == 1:
		return "released " + incident.PrefixText(released[0].Prefix)
	case !o.All && len(released) == 0:
		if !o.Forgive { // what is neither banned nor throttled is refused
			return incident.PrefixText(o.Prefix) + " is no longer throttled"
		}
		return incident.PrefixText(o.Prefix) + " was not banned"
	}
	return "released " + incident.Count(len(released), "ban")
}

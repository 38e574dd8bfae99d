package judge

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// takeTurns closes the network of a failure over UDP, with scope SIP, when its members
// take turns and no account lives there. The first threshold per network that bans
// says which failures count and what else is done.
func (j *Judge) takeTurns(o *score.Observation) {
	if o.Transport != event.UDP {
		return
	}
	t := j.policy.networkThreshold(o.Signal)
	if t == nil {
		return
	}
	turn, ok := j.turns.Fail(o.At, o.Source)
	if !ok || !j.Places.Closable(o.At, turn.Network) {
		return
	}
	v := &score.Verdict{
		At: o.At, Key: score.Key{Per: score.PerNetwork, Prefix: turn.Network}, Threshold: t, Score: turn.Failures,
		Reason: fmt.Sprintf("%d %s took turns: %s within %s", turn.Members, memberWords(turn.Network), incident.Count(turn.Failures, "wrong password"), strings.TrimSuffix(score.TurnsWithin.String(), "0s")),
	}
	for _, r := range j.table.Evidence(score.NetworkKey(o.Source)) {
		if turn.Network.Contains(r.Source) {
			v.Evidence = append(v.Evidence, r)
			v.Cause = r
		}
	}
	if len(v.Evidence) == 0 {
		return
	}
	j.count(v)
	f := j.facts(v, nil, turn.Network)
	f.Full = false // networks have room of their own
	j.carryOut(v, nil, f)
}

// memberWords names what takes turns in a network.
func memberWords(network netip.Prefix) string {
	switch {
	case network.Addr().Is4():
		return "addresses"
	case network.Bits() == 48:
		return "networks (/56)"
	}
	return "networks (/64)"
}

// makeRoom releases the network closed first when there is no room for another.
func (j *Judge) makeRoom(ban incident.Ban) {
	if !ban.Spoofable() || !ban.Network() {
		return
	}
	if _, again := j.Bans.Exact(ban.Since, ban.Prefix); again {
		return
	}
	if oldest, crowded := j.Bans.Crowded(); crowded {
		j.release(oldest, "room for a network closed later")
	}
}

// moveIn releases, where an account turns up, what must not last there: closed networks,
// and bans on spoofable evidence that are longer than the first.
func (j *Judge) moveIn(neighbourhood netip.Prefix, at time.Time) {
	for _, ban := range j.Bans.Within(at, neighbourhood) {
		if ban.Spoofable() && (ban.Network() || ban.Forever() || ban.Until.Sub(ban.Since) > j.policy.Ladder.Brief()) {
			j.release(ban, "an extension is used nearby")
		}
	}
}

func (j *Judge) release(ban incident.Ban, why string) {
	j.Bans.Remove(ban.Prefix)
	j.ClearScore(ban.Prefix)
	j.effects.Release(ban, why)
}

package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Received takes a SIP request that arrived over UDP. It borrows r.
func (j *Judge) Received(now time.Time, from netip.AddrPort, r *sip.Request) {
	j.Intake.Wire.Request(now, from, r)
}

// Sent takes a SIP response that leaves over UDP, for the address that it is
// really sent to. It borrows r.
func (j *Judge) Sent(now time.Time, to netip.AddrPort, r *sip.Response) {
	j.Intake.Nonces.Issued(now, to.Addr(), r)
	a := j.Intake.Wire.Response(now, to, r)
	if a.Outcome == intake.Unknown {
		return
	}
	login, listed := j.Calls.Named(a.Names[:]...)
	a.Account = login.Name
	if a.Misdirected() && a.Status >= 400 && a.Status < 500 {
		j.misdirected(now, &a)
	}
	if !listed || !login.Login {
		return // a name that does not exist, which the events report, or no password
	}
	if a.SignedIn(login.Sure) {
		j.Intake.Nonces.Used(a.Account, a.Nonce)
	}
	switch {
	case a.Outcome == intake.Refused && a.Status == 403 && login.Sure:
		// PJSIP refuses so what had the right password, such as one registration too
		// many.
	case a.Outcome == intake.Refused:
		if o, news := j.Intake.Refused(now, &a, login.Sure); news {
			j.counters.Wire++
			j.attempt(now, &o)
		}
	case a.Outcome == intake.Revealed && !j.Places.Known(a.Account, to.Addr(), now):
		j.revealed(now, &a)
	}
}

// attempt judges one attempt: a failure by itself, a success for what went before
// it.
func (j *Judge) attempt(now time.Time, o *score.Observation) {
	if j.Contain.Restrictions.Refused(o) {
		return
	}
	j.counters.Observations++
	j.meters.observed(o.Proof)
	if o.Signal.Failure() && j.graced(now, o) {
		j.counters.GracePeriod++
		return
	}
	broken, brokenIn := j.breakIn.Observe(o)
	j.observe(o, nil)
	if brokenIn {
		j.observe(&broken, nil)
	}
	j.observeSlow(o)
	if !brokenIn && o.Signal == score.SuccessfulAuth && o.Proof == score.Proven && j.Places.Known(string(o.Account), o.Source, now) {
		j.Places.Protect(o, evidence{j})
	}
	if !brokenIn && o.Signal == score.SuccessfulAuth {
		j.phoneAt(o.At, o)
	}
	j.weigh(o)
	j.takeTurns(o)
}

package calls

import (
	"strings"
	"time"
)

// Transfer records that an account transfers the other side of a call to a number,
// and returns the signs of that. A transfer to an internal number has none, but the dialplan may
// send the call outside from there.
func (d *Detector) Transfer(now time.Time, account, number, channel string) []Sign {
	if !d.redirectsOut(account, number) {
		if c := d.parts[channel].call; c != nil && c.own == channel && d.isPhoneName(account) {
			c.sentOnBy = account
		}
		return nil
	}
	d.moveOut(account, channel)
	d.judged(channel, number)
	return d.CheckRedirect(now, account, number, channel)
}

// Forward records that a called account forwards its caller to a number. The next
// channel that the caller's channel dials is the account's call.
func (d *Detector) Forward(account, caller, number string) {
	number, _, _ = strings.Cut(number, "@")
	number = number[strings.LastIndexByte(number, '/')+1:]
	if d.redirectsOut(account, number) && len(d.forwards) < maxChannels {
		d.forwards[caller] = forwarding{account, number}
	}
}

// CheckRedirect returns the signs of a number that an account redirects a call to.
// channel carries the call. It does not check the rate and the time, which depend on
// the callers and not on the account.
func (d *Detector) CheckRedirect(now time.Time, account, number, channel string) []Sign {
	a := d.state(now, account)
	if a == nil {
		return nil
	}
	n := d.read(a.limits, number)
	s := signs{account: a, channel: channel, number: &n, from: a.where(now), hint: a.hint(now)}
	a.checkDestination(&s)
	d.checkCountry(now, a, &s)
	return s.list
}

// redirectsOut reports whether a phone redirects a call to an outside number.
func (d *Detector) redirectsOut(account, number string) bool {
	return d.isPhoneName(account) && d.read(d.rules.limitsOf(account), number).External
}

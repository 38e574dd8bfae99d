package calls

import (
	"strings"
	"time"
)

// Transfer takes that an account connects the other side of a call with a number,
// and returns what is unusual about that. Nothing is, and nothing changes, when
// the number is one of the house.
func (d *Detector) Transfer(now time.Time, account, number, channel string) []Sign {
	if !d.sendsOut(account, number) {
		return nil
	}
	d.transfer(account, channel)
	return d.SentOn(now, account, number, channel)
}

// Forward takes that an account, called, sends its caller on to a number. What
// that channel dials next is the account's call.
func (d *Detector) Forward(account, caller, number string) {
	number, _, _ = strings.Cut(number, "@")
	number = number[strings.LastIndexByte(number, '/')+1:]
	if d.sendsOut(account, number) && len(d.forwards) < maxChannels {
		d.forwards[caller] = forward{account, number}
	}
}

// SentOn returns what is unusual about a number that an account sends somebody
// to; channel carries that call. How many there are and when says nothing of the
// account: its callers decide that.
func (d *Detector) SentOn(now time.Time, account, number, channel string) []Sign {
	a := d.account(now, account)
	if a == nil {
		return nil
	}
	n := d.rules.Dialling.Read(number)
	s := signs{account: a, channel: channel, number: &n, from: a.where(now), hint: a.hint(now)}
	a.forbidden(&s)
	d.country(now, a, &s)
	return s.list
}

// sendsOut says whether a phone sends a call out of the house.
func (d *Detector) sendsOut(account, number string) bool {
	return d.isPhone(account) && d.rules.Dialling.Read(number).External
}

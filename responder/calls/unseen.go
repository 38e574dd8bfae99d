package calls

import "time"

// waiting is a call that waits for its login to be seen.
type waiting struct {
	at      time.Time
	account string
	channel string
	hint    Login
}

// expectLogin waits for the login of a call.
func (d *Detector) expectLogin(now time.Time, a *account, channel string) {
	for i := range a.logins {
		if now.Sub(a.logins[i].at) < together {
			a.callLogin = true
			return
		}
	}
	listed := d.listed[a.name]
	if !listed.Login || !listed.Sure && !a.callLogin || now.Sub(d.from) < together {
		return
	}
	if len(d.unseen) < maxChannels {
		d.unseen = append(d.unseen, waiting{now, a.name, channel, a.hint(now)})
	}
}

// seen says that the login of an account's calls was seen.
func (d *Detector) seen(now time.Time, a *account) {
	if len(d.unseen) == 0 {
		return
	}
	kept := d.unseen[:0]
	for _, w := range d.unseen {
		if w.account != a.name || now.Sub(w.at) >= together {
			kept = append(kept, w)
			continue
		}
		a.callLogin = true
	}
	d.unseen = kept
}

// Due returns the signs of what should have happened by now: calls of accounts
// that must log in whose login nobody saw. Somebody who can call without the
// event stream telling of his login is blinding it. The stream itself must have
// told of some login since it began.
func (d *Detector) Due(now time.Time) []Sign {
	var list []Sign
	for len(d.unseen) > 0 && now.Sub(d.unseen[0].at) >= together {
		w := d.unseen[0]
		d.unseen = d.unseen[1:]
		if d.logins {
			list = append(list, Sign{Kind: UnseenLogin, Account: w.account, Channel: w.channel, Hint: w.hint, Detail: "a call whose login was not seen"})
		}
	}
	return list
}

// newcomers returns the signs of registrations that nobody saw made: each is
// new since the list before, and its account, whose logins are seen otherwise,
// has not logged in meanwhile. An account that was never seen to log in may
// register elsewhere: several PBXs can share their registrations.
func (d *Detector) newcomers(now time.Time, list []Contact) []Sign {
	var found []Sign
	held := make(map[Contact]bool, len(list))
	for _, c := range list {
		at := Contact{Account: c.Account, Source: c.Source}
		if d.held != nil && !d.held[at] && !held[at] && d.silent(c.Account) {
			found = append(found, Sign{
				Kind: UnseenLogin, Account: c.Account, From: Login{Source: c.Source}, Detail: "a registration whose login was not seen",
			})
		}
		held[at] = true
	}
	d.held, d.heldAt = held, now
	return found
}

// silent says whether an account has logged in since the event session began,
// and not since the last list of registrations.
func (d *Detector) silent(name string) bool {
	a := d.accounts[name]
	return a != nil && d.listed[name].Sure && !a.login.Before(d.from) && a.login.Before(d.heldAt.Add(-together))
}

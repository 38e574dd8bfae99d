package calls

import "time"

// waiting is a call whose login has not been seen yet.
type waiting struct {
	at      time.Time
	account string
	channel string
	hint    Login
}

// expectLogin checks for the login of a call, or starts to wait for it.
func (d *Detector) expectLogin(now time.Time, a *accountState, channel string) {
	for i := range a.logins {
		if now.Sub(a.logins[i].at) < together {
			a.callLogin = true
			return
		}
	}
	listed := d.listed[a.name]
	if !listed.Login || !listed.Sure && !a.callLogin || now.Sub(d.streamStart) < together {
		return
	}
	if len(d.unseen) < maxChannels {
		d.unseen = append(d.unseen, waiting{now, a.name, channel, a.hint(now)})
	}
}

// loginSeen records a login, which the waiting calls of the account may belong to.
func (d *Detector) loginSeen(now time.Time, a *accountState) {
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

// MissingLogins returns a sign for each call whose login should have been seen by
// now. Such a caller may be suppressing events. The signs are dropped if the event
// stream has not contained a single login since it started.
func (d *Detector) MissingLogins(now time.Time) []Sign {
	var list []Sign
	for len(d.unseen) > 0 && now.Sub(d.unseen[0].at) >= together {
		w := d.unseen[0]
		d.unseen = d.unseen[1:]
		if d.sawLogin {
			list = append(list, Sign{Kind: UnseenLogin, Account: w.account, Channel: w.channel, Hint: w.hint, Detail: "a call whose login was not seen"})
		}
	}
	return list
}

// unseenContacts returns a sign for each registration made without a login event: it
// is new since the last list, and its account has not logged in since. It skips accounts
// without any login in this event stream, because several PBXs can share their
// registrations.
func (d *Detector) unseenContacts(now time.Time, list []Contact) []Sign {
	var found []Sign
	current := make(map[Contact]bool, len(list))
	for _, c := range list {
		if c.Unannounced {
			continue
		}
		at := Contact{Account: c.Account, Source: c.Source}
		if d.contacts != nil && !d.contacts[at] && !current[at] && d.missedLogin(c.Account) {
			found = append(found, Sign{
				Kind: UnseenLogin, Account: c.Account, From: Login{Source: c.Source}, Detail: "a registration whose login was not seen",
			})
		}
		current[at] = true
	}
	d.contacts, d.contactsAt = current, now
	return found
}

// missedLogin reports whether an account has logged in since the event stream started,
// but not since the last list of registrations.
func (d *Detector) missedLogin(name string) bool {
	a := d.accounts[name]
	return a != nil && d.listed[name].Sure && !a.lastLogin.Before(d.streamStart) && a.lastLogin.Before(d.contactsAt.Add(-together))
}

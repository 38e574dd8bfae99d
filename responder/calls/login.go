package calls

import (
	"net/netip"
	"strings"
	"time"
)

// maxLogins bounds the sources of one account that are told apart at once.
const maxLogins = 8

// Login takes a login of an account that succeeded. In the ordinary case, a
// phone that is where it always was, it allocates nothing.
func (d *Detector) Login(now time.Time, name []byte, from Login) []Sign {
	a := d.accounts[string(name)]
	if a == nil {
		if a = d.account(now, string(name)); a == nil {
			return nil
		}
	}
	a.used = now
	d.logins = true
	d.seen(now, a)
	if a.carrier || !from.Source.IsValid() {
		return nil
	}
	s := signs{account: a, from: from}
	young := d.network(now, a, from.Source, &s)
	a.keep(now, from)
	if young && a.alternates(now, from) && now.Sub(a.alternate) >= hour {
		a.alternate = now
		s.add(TwoNetworks, "used from two networks by turns")
	}
	return s.list
}

// network keeps from where an account is used, and says whether it is not yet
// at home there.
func (d *Detector) network(now time.Time, a *account, source netip.Addr, s *signs) (young bool) {
	p := network(source)
	known := a.networks[p]
	if known == nil || now.Sub(known.last) >= remember {
		if len(a.networks) >= maxNetworks {
			a.forgetNetwork()
		}
		known = &span{}
		a.networks[p] = known
		if d.learned(now) {
			s.add(NewNetwork, "used from %s for the first time", p)
		}
	}
	if known.see(now) {
		d.tell(Habit{a.name, HabitNetwork, p.String(), known.first, known.last})
	}
	return now.Sub(known.first) < settled
}

func (a *account) forgetNetwork() {
	var oldest netip.Prefix
	for p, s := range a.networks {
		if !oldest.IsValid() || s.last.Before(a.networks[oldest].last) {
			oldest = p
		}
	}
	delete(a.networks, oldest)
}

// keep remembers a login in the place of its source, or of the oldest one.
func (a *account) keep(now time.Time, from Login) {
	at := -1
	for i := range a.logins {
		if a.logins[i].Source == from.Source {
			at = i
			break
		}
		if at < 0 || a.logins[i].at.Before(a.logins[at].at) {
			at = i
		}
	}
	if at < 0 || a.logins[at].Source != from.Source && len(a.logins) < maxLogins {
		a.logins = append(a.logins, login{Login: from, at: now})
		return
	}
	l := &a.logins[at]
	if l.Source != from.Source {
		*l = login{Login: from, at: now}
		return
	}
	l.Login, l.prev, l.at = from, l.at, now
}

// alternates says whether the account is used from this network and from
// another one by turns: here, there, and here again. One phone that changes its
// network does not come back at once.
func (a *account) alternates(now time.Time, from Login) bool {
	here := network(from.Source)
	var before time.Time
	for i := range a.logins {
		if a.logins[i].Source == from.Source {
			before = a.logins[i].prev
		}
	}
	if before.IsZero() || now.Sub(before) > ProbeWithin {
		return false
	}
	for i := range a.logins {
		if l := &a.logins[i]; network(l.Source) != here && l.at.After(before) {
			return true
		}
	}
	return false
}

// where is where a call comes from, by the login that has just come. Nothing is
// said when there is none, as with chan_sip, or when two sources could be meant.
func (a *account) where(now time.Time) Login {
	var found Login
	just := 0
	for i := range a.logins {
		if now.Sub(a.logins[i].at) < together {
			just++
			found = a.logins[i].Login
		}
	}
	if just == 1 {
		return found
	}
	return Login{}
}

// Home says whether an account has long been used from the network of a source:
// its own people are there.
func (d *Detector) Home(now time.Time, name string, source netip.Addr) bool {
	a := d.accounts[name]
	if a == nil || !source.IsValid() {
		return false
	}
	s := a.networks[network(source)]
	return s != nil && now.Sub(s.first) >= settled && now.Sub(s.last) < remember
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
		d.unseen = append(d.unseen, waiting{now, a.name, channel})
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
			list = append(list, Sign{Kind: UnseenLogin, Account: w.account, Channel: w.channel, Detail: "a call whose login was not seen"})
		}
	}
	return list
}

// agents are words in the User-Agent of tools that no phone sends, in lower
// case. (SIPVicious and its descendants, SIPp, and what honeypots report.)
var agents = []string{
	"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sipcli", "sip-scan", "sipscan", "smap",
	"pplsip", "sipsak", "iwar", "vaxsipuseragent", "sivus", "gulp", "siparmyknife", "test agent", "csipsimple-scan",
}

// Contacts takes the registrations that Asterisk holds.
func (d *Detector) Contacts(now time.Time, list []Contact) []Sign {
	var found []Sign
	places := map[string]map[netip.Prefix]netip.Addr{}
	for _, c := range list {
		a := d.account(now, c.Account)
		if a == nil || a.carrier || !c.Source.IsValid() {
			continue
		}
		s := signs{account: a, from: Login{Source: c.Source}}
		if len(a.networks) == 0 && !d.learned(now) {
			// Nothing is known of the account: this is where its phone is.
			a.networks[network(c.Source)] = &span{first: now.Add(-settled), last: now}
		}
		d.network(now, a, c.Source, &s)
		a.agent(c.Agent, &s)
		if places[c.Account] == nil {
			places[c.Account] = map[netip.Prefix]netip.Addr{}
		}
		places[c.Account][network(c.Source)] = c.Source
		found = append(found, s.list...)
	}
	for name, at := range places {
		found = append(found, d.places(now, d.accounts[name], at)...)
	}
	return found
}

// agent says once that an account registers with a scanner's name.
func (a *account) agent(agent string, s *signs) {
	lower := strings.ToLower(agent)
	for _, word := range agents {
		if strings.Contains(lower, word) && !a.agents[word] {
			if a.agents == nil {
				a.agents = map[string]bool{}
			}
			a.agents[word] = true
			s.add(ScannerAgent, "registered with the User-Agent of a scanner (%s)", word)
		}
	}
}

// places says that an account is registered from two networks of which it does
// not know one yet.
func (d *Detector) places(now time.Time, a *account, at map[netip.Prefix]netip.Addr) []Sign {
	if len(at) < 2 || now.Sub(a.alternate) < hour || !d.learned(now) {
		return nil
	}
	for p, source := range at {
		if s := a.networks[p]; s != nil && now.Sub(s.first) < settled {
			a.alternate = now
			return []Sign{{
				Kind: TwoNetworks, Account: a.name, From: Login{Source: source},
				Detail: "registered from two networks at once",
			}}
		}
	}
	return nil
}

// Crowded takes a login that was right and came to one registration too many.
func (d *Detector) Crowded(now time.Time, name []byte, from Login) []Sign {
	a := d.account(now, string(name))
	if a == nil || a.carrier || now.Sub(a.alternate) < hour || d.Home(now, a.name, from.Source) {
		return nil
	}
	a.alternate = now
	return []Sign{{Kind: TwoNetworks, Account: a.name, From: from, Detail: "more registrations than the account may have"}}
}

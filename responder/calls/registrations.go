package calls

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// agents are words in the User-Agent of tools that no phone sends, in lower
// case. (SIPVicious and its descendants, SIPp, and what honeypots report.)
var agents = []string{
	"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sipcli", "sip-scan", "sipscan", "smap",
	"pplsip", "sipsak", "iwar", "vaxsipuseragent", "sivus", "gulp", "siparmyknife", "test agent", "csipsimple-scan",
}

// Contacts takes the registrations that Asterisk holds.
func (d *Detector) Contacts(now time.Time, list []Contact) []Sign {
	var found []Sign
	from := map[string]map[netip.Prefix]netip.Addr{}
	for _, c := range list {
		a := d.account(now, c.Account)
		if a == nil || a.carrier || !c.Source.IsValid() {
			continue
		}
		s := signs{account: a, from: Login{Source: c.Source}}
		if !d.learned(now) {
			d.places.AssumeHome(now, a.name, c.Source)
		}
		d.network(now, a, c.Source, &s)
		a.agent(c.Agent, &s)
		if from[c.Account] == nil {
			from[c.Account] = map[netip.Prefix]netip.Addr{}
		}
		from[c.Account][event.NetworkPrefix(c.Source)] = c.Source
		found = append(found, s.list...)
	}
	for name, at := range from {
		found = append(found, d.twoNetworks(now, d.accounts[name], at)...)
	}
	return append(found, d.newcomers(now, list)...)
}

// Unfamiliar says whether a call leaves the house from where its account is not
// at home, or from nobody knows where: the User-Agent of such a call is worth
// asking for.
func (d *Detector) Unfamiliar(now time.Time, c Channel) bool {
	a := d.accounts[c.Account]
	if a == nil || !d.phone(a) && !d.anonymous(a) || !d.rules.Dialling.Read(c.Dialled).External {
		return false
	}
	return !d.places.Home(now, a.name, a.where(now).Source)
}

// CallAgent takes the User-Agent that a call was set up with.
func (d *Detector) CallAgent(now time.Time, c Channel, agent string) []Sign {
	a := d.account(now, c.Account)
	if a == nil {
		return nil
	}
	s := signs{account: a, channel: c.Name, from: a.where(now), hint: a.hint(now)}
	a.agent(agent, &s)
	return s.list
}

// agent says once that an account is used with a scanner's name.
func (a *account) agent(agent string, s *signs) {
	lower := strings.ToLower(agent)
	for _, word := range agents {
		if strings.Contains(lower, word) && !a.agents[word] {
			if a.agents == nil {
				a.agents = map[string]bool{}
			}
			a.agents[word] = true
			s.add(ScannerAgent, "used with the User-Agent of a scanner (%s)", word)
		}
	}
}

// twoNetworks says that an account is registered from two networks of which it does
// not know one yet.
func (d *Detector) twoNetworks(now time.Time, a *account, at map[netip.Prefix]netip.Addr) []Sign {
	if len(at) < 2 || now.Sub(a.alternate) < hour || !d.learned(now) {
		return nil
	}
	for p, source := range at {
		if d.places.Young(now, a.name, p) {
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
	if a == nil || a.carrier || now.Sub(a.alternate) < hour || d.places.Home(now, a.name, from.Source) {
		return nil
	}
	a.alternate = now
	return []Sign{{Kind: TwoNetworks, Account: a.name, From: from, Detail: "more registrations than the account may have"}}
}

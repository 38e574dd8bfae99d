package calls

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// scannerWords are words in the User-Agent of scanners, in lower case, that no phone
// sends. (SIPVicious and its descendants, SIPp, and reports from honeypots.)
var scannerWords = []string{
	"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sipcli", "sip-scan", "sipscan", "smap",
	"pplsip", "sipsak", "iwar", "vaxsipuseragent", "sivus", "gulp", "siparmyknife", "test agent", "csipsimple-scan",
}

// Contacts sets the current registrations and returns their signs.
func (d *Detector) Contacts(now time.Time, list []Contact) []Sign {
	var found []Sign
	from := map[string]map[netip.Prefix]netip.Addr{}
	for _, c := range list {
		a := d.state(now, c.Account)
		if a == nil || a.carrier || !c.Source.IsValid() {
			continue
		}
		s := signs{account: a, from: Login{Source: c.Source}}
		if !d.learningDone(now) && !c.Doubtful {
			d.places.AssumeHome(now, a.name, c.Source)
		}
		if !c.Doubtful {
			d.checkNetwork(now, a, c.Source, &s)
		}
		a.checkAgent(c.Agent, &s)
		if from[c.Account] == nil {
			from[c.Account] = map[netip.Prefix]netip.Addr{}
		}
		from[c.Account][event.NetworkPrefix(c.Source)] = c.Source
		found = append(found, s.list...)
	}
	for name, at := range from {
		found = append(found, d.checkTwoNetworks(now, d.accounts[name], at)...)
	}
	d.uris = contactURIs(list)
	return append(found, d.unseenContacts(now, list)...)
}

// Unfamiliar reports whether an outgoing call comes from outside the home networks
// of its account, or from an unknown address. The caller then asks Asterisk for the
// User-Agent of the call.
func (d *Detector) Unfamiliar(now time.Time, c Channel) bool {
	a := d.accounts[c.Account]
	if a == nil || !d.isPhone(a) && !d.isAnonymous(a) || d.places.Home(now, a.name, a.where(now).Source) {
		return false
	}
	return d.read(a.limits, c.Dialled).External // asked last, because it takes longest
}

// CallAgent records the User-Agent of a call and returns its signs.
func (d *Detector) CallAgent(now time.Time, c Channel, agent string) []Sign {
	a := d.state(now, c.Account)
	if a == nil {
		return nil
	}
	s := signs{account: a, channel: c.Name, from: a.where(now), hint: a.hint(now)}
	a.checkAgent(agent, &s)
	return s.list
}

// checkAgent adds a sign if the User-Agent is a scanner's, once per account and scanner.
func (a *accountState) checkAgent(agent string, s *signs) {
	lower := strings.ToLower(agent)
	for _, word := range scannerWords {
		if strings.Contains(lower, word) && !a.scanners[word] {
			if a.scanners == nil {
				a.scanners = map[string]bool{}
			}
			a.scanners[word] = true
			s.add(ScannerAgent, "used with the User-Agent of a scanner (%s)", word)
		}
	}
}

// checkTwoNetworks checks whether an account is registered from two networks, one of which
// is not a home network yet.
func (d *Detector) checkTwoNetworks(now time.Time, a *accountState, at map[netip.Prefix]netip.Addr) []Sign {
	if len(at) < 2 || now.Sub(a.lastTwoNetworks) < hour || !d.learningDone(now) {
		return nil
	}
	for p, source := range at {
		if d.places.Young(now, a.name, p) {
			a.lastTwoNetworks = now
			return []Sign{{
				Kind: TwoNetworks, Account: a.name, From: Login{Source: source},
				Detail: "registered from two networks at once",
			}}
		}
	}
	return nil
}

// ContactLimitReached records a correct login that was rejected because the account
// has too many registrations.
func (d *Detector) ContactLimitReached(now time.Time, name []byte, from Login) []Sign {
	a := d.state(now, string(name))
	if a == nil || a.carrier || now.Sub(a.lastTwoNetworks) < hour || d.places.Home(now, a.name, from.Source) {
		return nil
	}
	a.lastTwoNetworks = now
	return []Sign{{Kind: TwoNetworks, Account: a.name, From: from, Detail: "more registrations than the extension may have"}}
}

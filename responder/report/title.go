package report

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/responder/score"
)

// title says what happened in a few words.
func (f *facts) title() string {
	k := f.i.Key
	value := plain(k.Value())
	switch {
	case f.breakIn:
		return f.say("title.break-in", "who", f.person)
	case f.i.Shared():
		return f.sharedTitle()
	case f.probation != "":
		return f.say("title.new-place", "who", f.person, "address", f.probation)
	case k.Per == score.PerSite:
		return f.say("title.site", "what", f.threshold())
	case k.Per == score.PerOrigin:
		return f.say("title.origin", "origin", f.originWords(k.Account), "what", f.threshold())
	case k.Per == score.PerAccount:
		return f.say("title.extension", "who", plain(people.Title(k.Value(), f.i.Name)), "what", f.threshold())
	}
	if ours := f.oursNotBlocked(); ours != "" {
		if len(f.guesses) > 0 && len(f.guesses) == len(f.i.Evidence) {
			return f.say("title."+ours, "address", value)
		}
		return f.say("title."+ours+"-what", "address", value, "what", f.threshold())
	}
	return f.say("title.address", "address", value, "what", f.threshold())
}

// oursNotBlocked is how the address belongs to the site, if that is why it was not blocked:
// then it is no attacker's. "" is that it does not.
func (f *facts) oursNotBlocked() string {
	for _, s := range f.steps {
		skipped := s.State == incident.Skipped && !f.observed && !f.paused
		switch {
		case s.kind != incident.StepBan:
		case s.device(), s.instead() != "":
			return "ours"
		case skipped && s.Detail == incident.OnAllowList:
			return "allowed"
		case skipped && (strings.HasPrefix(s.Detail, incident.Protected) || strings.Contains(s.Detail, "extension")):
			return "ours"
		}
	}
	return ""
}

// The addresses that may be spoofed of one minute share an incident. Its report says so in
// one line each, since nobody reads the same sentence about a hundred addresses.

// sharedCount finds how many addresses and networks there were in a reason that package
// ongoing wrote.
var sharedCount = regexp.MustCompile(`^(?:(\d+) address(?:es)?)?(?: and )?(?:(\d+) networks?)? that may be spoofed (were not|was not|were|was|would be) blocked`)

// sharedTitle is how many there were, and what was done.
func (f *facts) sharedTitle() string {
	m := sharedCount.FindStringSubmatch(f.i.Reason)
	if m == nil {
		return f.say("title.site", "what", f.threshold())
	}
	addresses, _ := strconv.Atoi(m[1])
	networks, _ := strconv.Atoi(m[2])
	key := "title.shared"
	switch m[3] {
	case "would be":
		key = "title.shared-would"
	case "were not", "was not":
		key = "title.shared-not"
	}
	return f.say(key, "addresses", f.addresses(addresses, networks))
}

// addresses counts addresses and networks.
func (f *facts) addresses(addresses, networks int) string {
	var parts []string
	if addresses > 0 || networks == 0 {
		parts = append(parts, f.say("count.addresses", "n", addresses))
	}
	if networks > 0 {
		parts = append(parts, f.say("count.networks", "n", networks))
	}
	return f.Language.List(parts)
}

// sharedBlocks counts the listed addresses and networks, and those that were blocked.
func (f *facts) sharedBlocks() (all, blocked [2]int) {
	for _, s := range f.steps {
		kind := 0
		if p, err := incident.ParsePrefix(s.Target); err == nil && (incident.Ban{Prefix: p}).Network() {
			kind = 1
		}
		all[kind]++
		if s.State == incident.Done {
			blocked[kind]++
		}
	}
	return all, blocked
}

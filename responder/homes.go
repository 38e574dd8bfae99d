package responder

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxHomes is how many of an account's places are named.
const maxHomes = 5

// homes says, after a change of secret, who still has the old one: where the
// account's own phones are, the newest first, and what they call themselves.
// Where the account has long been at home goes before where it merely succeeded,
// which with a password that leaked is the thief's place, too; and who is banned
// is nobody's phone. The caller holds the lock.
func (r *Responder) homes(now time.Time, account string) string {
	var long, known []string
	for _, p := range r.breakIn.Homes(account, now) {
		if _, banned := r.book.covering(now, p.Source); banned {
			continue
		}
		home := PrefixString(p.Source)
		if agent := r.agent(account, p.Source); agent != "" {
			home += fmt.Sprintf(" (User-Agent %s)", strconv.QuoteToGraphic(agent))
		}
		known = append(known, home)
		if r.calls.Home(now, account, p.Source.Addr()) {
			long = append(long, home)
		}
	}
	if len(long) > 0 {
		known = long
	}
	if len(known) == 0 {
		return "where its phones are is not known"
	}
	more := ""
	if n := len(known) - maxHomes; n > 0 {
		known, more = known[:maxHomes], fmt.Sprintf(" and %d more", n)
	}
	return "its phones that need the new secret were last seen at " + strings.Join(known, ", ") + more
}

// maxAgent bounds the bytes of a User-Agent that are shown.
const maxAgent = 80

// agent is what an account's phone at a source calls itself. The caller holds
// the lock.
func (r *Responder) agent(account string, source netip.Prefix) string {
	agent := r.agents.of(account, source)
	phones, _ := r.trust.phones.Get(source)
	if i := slices.IndexFunc(phones, func(p phone) bool { return p.account == account && p.agent != "" }); i >= 0 {
		agent = phones[i].agent
	}
	return agent[:min(len(agent), maxAgent)]
}

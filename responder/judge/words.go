package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// words says how an account stands: what is taken from it, and who else has its password.
type words struct {
	places  *places.Places
	contain *contain.State
}

// held says what is taken from an account for now; "" for nothing.
func (w *words) held(now time.Time, account string) string {
	words := w.contain.Held(account)
	if thieves := w.thieves(now, account); thieves != "" {
		words = strings.TrimPrefix(words+", "+thieves, ", ")
	}
	if list := w.probationWords(now, account); list != "" {
		words = strings.TrimPrefix(words+", on probation: "+list, ", ")
	}
	return words
}

// thieves says where an account's password is known to others; "" when it is not.
func (w *words) thieves(now time.Time, account string) string {
	list, last := w.places.Thieves(account, now)
	if len(list) == 0 {
		return ""
	}
	more := ""
	if n := len(list) - maxPhones; n > 0 {
		list, more = list[:maxPhones], fmt.Sprintf(" and %d more", n)
	}
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = incident.PrefixText(p)
	}
	return fmt.Sprintf("password known to others at %s%s, since %s", strings.Join(words, ", "), more, last.UTC().Format("2006-01-02 15:04 MST"))
}

// probationWords lists the addresses of an account that are on probation; "" for none.
func (w *words) probationWords(now time.Time, account string) string {
	var words []string
	for _, p := range w.places.Probations(account, now) {
		words = append(words, incident.PrefixText(p.Source))
	}
	if n := len(words) - maxPhones; n > 0 {
		words = append(words[:maxPhones], fmt.Sprintf("%d more", n))
	}
	return strings.Join(words, ", ")
}

// compromised lists the accounts that somebody else uses, except those whose thieves are
// known.
func (w *words) compromised(now time.Time) (list []string) {
	for _, c := range w.places.CompromisedAccounts(now) {
		if w.places.Stolen([]byte(c.Account), now) {
			continue
		}
		from := ""
		if c.Source.IsValid() {
			from = " from " + incident.PrefixText(c.Source)
		}
		list = append(list, fmt.Sprintf("%s: used by somebody else%s on %s", c.Account, from, c.At.UTC().Format(time.RFC3339)))
	}
	return list
}

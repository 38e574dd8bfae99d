package month

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Harm is what must not happen to people who do nothing wrong. A phone is healthy if
// it has the right password.
type Harm int

// The kinds of harm.
const (
	AddressBlocked  Harm = iota // an address with a healthy phone was blocked
	LoginLost                   // a healthy phone could not sign in: its address is blocked
	LoginShutOut                // or its account is limited to other networks
	FlowCut                     // a healthy phone's own flow was cut
	PasswordChanged             // of an account that nobody had broken into
	AccountLocked
	CallEnded // that its owner made
	// The last two are consequences of somebody's own mistake.
	MistypedOut // somebody who mistyped the password had to wait when it was right
	FlowLost    // a phone with an old password had to wait when it was corrected
	harms
)

var harmNames = [harms]string{
	"addresses of healthy phones blocked", "healthy phones that could not sign in", "travellers shut out", "flows of healthy phones cut",
	"passwords changed", "accounts locked", "calls of owners ended", "people who mistyped and had to wait", "corrected phones that had to wait",
}

// OwnMistake says that somebody's own mistake went before.
func (h Harm) OwnMistake() bool { return h >= MistypedOut }

// String names the harm in the plural.
func (h Harm) String() string { return harmNames[h] }

// Harms lists all kinds.
func Harms() (list []Harm) {
	for h := range harms {
		list = append(list, h)
	}
	return list
}

// Report is what happened in a month at a site.
type Report struct {
	Site                                         string
	Seed                                         uint64
	Accounts, Phones                             int
	Events, Logins, Failures, Calls, Scanners    int // Failures are those of the site's own phones
	Incidents, Bans, FlowsCut, Throttled, Closed int
	Steps                                        map[incident.StepKind]int
	Messages                                     map[string]int // to people, by threshold
	CostlyEnded                                  int            // calls abroad of owners from a new place, which are no harm
	LongestWait                                  time.Duration  // of somebody who mistyped
	Harmed                                       [harms]int
	Causes                                       map[string]int // "harm: cause"
	Stories                                      []string       // of the first few of each
	Attacks                                      []AttackResult
}

func newReport(site string, seed uint64) *Report {
	return &Report{Site: site, Seed: seed, Steps: map[incident.StepKind]int{}, Messages: map[string]int{}, Causes: map[string]int{}}
}

// AllMessages counts them.
func (r *Report) AllMessages() (n int) {
	for _, more := range r.Messages {
		n += more
	}
	return n
}

// hurt counts harm.
func (b *pbx) hurt(h Harm, cause, whom string) {
	r := b.report
	r.Harmed[h]++
	key := h.String() + ": " + cause
	r.Causes[key]++
	if r.Causes[key] <= 2 {
		r.Stories = append(r.Stories, fmt.Sprintf("%s %s: %s", b.now.Format("Jan 2 15:04:05"), key, whom))
	}
}

// once counts harm unless the same has been counted before.
func (b *pbx) once(h Harm, cause, same, whom string) {
	if key := fmt.Sprint(h, same); !b.said[key] {
		b.said[key] = true
		b.hurt(h, cause, whom)
	}
}

// judgeMessage keeps what a message is about.
func (b *pbx) judgeMessage(i *incident.Incident) {
	b.said["a message about "+i.Account] = true
	key := "message: " + i.Threshold
	if why := b.blame[i.Source]; why != "" && i.Threshold == "extension under attack" {
		key += ", after: " + why
	}
	b.report.Causes[key]++
	if b.report.Causes[key] <= 3 {
		b.report.Stories = append(b.report.Stories, fmt.Sprintf("%s %s: %s: %s%s", b.now.Format("Jan 2 15:04:05"), key, i.Key.Value(), i.Reason, signalsOf(i.Evidence)))
	}
}

// Counts writes counts, the largest first.
func Counts(counts map[string]int) string {
	var b strings.Builder
	keys := slices.Collect(maps.Keys(counts))
	slices.SortFunc(keys, func(x, y string) int { return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x, y)) })
	for _, key := range keys {
		fmt.Fprintf(&b, "%6d  %s\n", counts[key], key)
	}
	return b.String()
}

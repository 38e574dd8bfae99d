package daemon

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// checkPauseName and checkBreakerName are what the checks below are called. A person asked
// for a pause and knows of it, and a reached limit has an alarm of its own.
const checkPauseName, checkBreakerName = "pause", "breaker"

// checkPause fails during a pause: an attack would not be stopped now.
func checkPause(_ time.Time, senses responder.Senses) control.Check {
	c := control.Check{Name: checkPauseName, OK: true, Detail: "not paused"}
	if p := senses.Pause; !p.Until.IsZero() {
		c.OK, c.Detail = false, pauseWords(pauseOf(p))+"; `tollwarden resume` ends it"
	}
	return c
}

func pauseOf(p decide.Pause) *control.Pause {
	if p.Until.IsZero() {
		return nil
	}
	return &control.Pause{Since: p.Since, Until: p.Until, By: strings.TrimPrefix(userName(strconv.FormatUint(uint64(p.UID), 10)), "user "), Reason: p.Reason}
}

func pauseWords(p *control.Pause) string {
	words := "PAUSED until " + output.Time(p.Until) + " by " + p.By
	if p.Reason != "" {
		words += ": " + p.Reason
	}
	return words
}

// checkBreaker fails while extensions wait for a person.
func checkBreaker(_ time.Time, senses responder.Senses) control.Check {
	b := senses.Breaker
	c := control.Check{Name: checkBreakerName, OK: len(b.Waiting) == 0}
	switch {
	case !c.OK:
		c.Detail = breakerWords(b)
	case b.Rule.Accounts == 0:
		c.Detail = "no limit is set"
	default:
		c.Detail = fmt.Sprintf("%s had a new password, a lock or registrations removed within %s; the limit is %d", incident.Count(len(b.Taken), "extension"), config.FormatDuration(b.Rule.Within), b.Rule.Accounts)
	}
	return c
}

// breakerWords says what waits, why, and what to do.
func breakerWords(b contain.BreakerState) string {
	var words strings.Builder
	fmt.Fprintf(&words, "waiting for a person: %s. ", accountsText(waitingNames(b.Waiting)))
	if b.Open {
		fmt.Fprintf(&words, "%s had a password change or a lock within %s (%s), and the next one is not automatic before %s. ",
			incident.Count(len(b.Taken), "extension"), config.FormatDuration(b.Rule.Within), accountsText(b.Taken), output.Time(b.Until))
	}
	names := waitingNames(b.Waiting)
	words.WriteString("Calls abroad and to premium numbers from extensions that wait are ended. Change a password with " + perAccount(names, "rotate", "--expire") + ", all with `tollwarden resume --waiting`, " +
		"or say that an extension is in order with " + perAccount(names, "unlock") + "; `tollwarden resume` lets further ones be changed automatically")
	return words.String()
}

func waitingNames(list []contain.Waiting) []string {
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = w.Account
	}
	return names
}

// maxAccountsNamed is how many accounts a check names.
const maxAccountsNamed = 20

func accountsText(names []string) string {
	words := strings.Join(names[:min(len(names), maxAccountsNamed)], ", ")
	if more := len(names) - maxAccountsNamed; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

func (d statusSource) breakerOf(b contain.BreakerState) control.Breaker {
	return control.Breaker{
		Accounts: b.Rule.Accounts, Within: config.FormatDuration(b.Rule.Within), Taken: append([]string{}, b.Taken...),
		Open: b.Open, Until: incident.SomeTime(b.Until), Waiting: d.waitingOf(b.Waiting),
	}
}

func (d statusSource) waitingOf(list []contain.Waiting) []control.Waiting {
	out := make([]control.Waiting, len(list))
	for i, w := range list {
		out[i] = control.Waiting{Account: w.Account, Name: d.names.of(w.Account), Since: w.Since, Steps: strings.Fields(w.Words())}
	}
	return out
}

// Pause begins a pause by an operator's order.
func (b *apiBackend) Pause(uid uint32, o control.PauseOrder) (control.Paused, error) {
	within, err := config.ParseDuration(o.For)
	if err != nil {
		return control.Paused{}, control.Refusal(fmt.Sprintf("%q: %v", o.For, err))
	}
	p, err := b.engine.Pause(time.Now(), within, o.Reason, uid)
	if err != nil {
		return control.Paused{}, refusal(err)
	}
	shown := pauseOf(p)
	return b.paused(control.Paused{
		Pause: shown, Waiting: b.waitingOf(b.engine.Senses(time.Now()).Breaker.Waiting),
		Message: pauseWords(shown) + "\nattacks are reported, but not stopped; bans in force stay; `tollwarden resume` ends the pause",
	})
}

// Resume ends the pause and lets the breaker go on, by an operator's order.
func (b *apiBackend) Resume(uid uint32) (control.Paused, error) {
	was, paused, waiting := b.engine.Resume(time.Now(), uid)
	done := control.Paused{Waiting: b.waitingOf(waiting), Message: "not paused"}
	if paused {
		done.Message = "resumed, after a pause of " + time.Since(was.Since).Round(time.Second).String()
	}
	done.Message += ": attacks are stopped"
	if len(waiting) > 0 {
		done.Message += "\n" + "still waiting for a person: " + accountsText(waitingNames(waiting)) +
			"\nchange a password with " + perAccount(waitingNames(waiting), "rotate", "--expire") + ", or all with `tollwarden resume --waiting`"
	}
	return b.paused(done)
}

// paused waits until a change is in the ledger, as flushed does.
func (b *apiBackend) paused(p control.Paused) (control.Paused, error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := b.ledger.Flush(ctx); err != nil {
		p.Message += " (in force, but not yet on disk: " + err.Error() + ")"
	}
	return p, nil
}

// breakerAlarmEvery is the least time between two alarms about extensions that wait. One
// alarm names all of them.
const breakerAlarmEvery = time.Hour

// breakerAlarms raises an alarm when extensions wait for a person, and again after an hour if
// others have joined them.
type breakerAlarms struct {
	alarm  func(alarm)
	known  map[string]bool
	raised time.Time
}

// look is called every second with what waits.
func (a *breakerAlarms) look(now time.Time, b contain.BreakerState) {
	if len(b.Waiting) == 0 {
		*a = breakerAlarms{alarm: a.alarm}
		return
	}
	fresh := false
	for _, w := range b.Waiting {
		fresh = fresh || !a.known[w.Account]
	}
	if !fresh || !a.raised.IsZero() && now.Sub(a.raised) < breakerAlarmEvery {
		return
	}
	a.raised, a.known = now, map[string]bool{}
	for _, w := range b.Waiting {
		a.known[w.Account] = true
	}
	a.alarm(alarm{
		Event: alarmWaiting, At: now, Text: "break-ins at more extensions than passwords are changed automatically: a person is needed",
		Checks: []control.Check{checkBreaker(now, responder.Senses{Breaker: b})},
	})
}

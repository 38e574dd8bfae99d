package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/config"
)

// Rule is one line of the table of what a configuration does.
type Rule struct {
	When string `json:"when"`
	Then string `json:"then"`
}

// Rules are a configuration's thresholds in plain words, with their numbers.
func Rules(cfg *config.Config) (out []Rule) {
	for _, t := range cfg.Thresholds {
		// Those of calls that no extension makes often say the same as those of extensions.
		if r := (Rule{when(cfg, t), then(cfg, t)}); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// then is what the playbook of a threshold does.
func then(cfg *config.Config, t config.Threshold) string {
	i := slices.IndexFunc(cfg.Playbooks, func(b config.Playbook) bool { return b.Name == t.Playbook })
	if i < 0 {
		return "nothing"
	}
	var words []string
	for _, s := range cfg.Playbooks[i].Steps {
		words = append(words, stepWords(s, t.Per))
	}
	if t.Mode == config.Observe && cfg.Mode == config.Enforce {
		return "only watched: " + sentence(words)
	}
	return sentence(words)
}

// stepWords say what a step does to whom a threshold is about.
func stepWords(s config.Step, per config.Per) string {
	switch s {
	case config.StepBan:
		if per == config.PerNetwork {
			return "the network is blocked, if none of your phones is there"
		}
		return "the address is blocked"
	case config.StepHangup:
		return "the extension's calls are hung up"
	case config.StepHangupCall:
		return "the call is hung up"
	case config.StepRotate:
		return "its password is changed"
	case config.StepRemoveRegistrations:
		return "its registrations are removed"
	case config.StepLock:
		return "all its calls but emergency calls are blocked"
	case config.StepRestrict:
		return "the extension is limited to its known networks until the attack is over"
	case config.StepLimitCosts:
		return "costly calls of this kind are ended for a time"
	case config.StepNotify:
		return "you get a message"
	case config.StepExec:
		return "your command is run"
	}
	return string(s)
}

// when is what crosses a threshold.
func when(cfg *config.Config, t config.Threshold) string {
	names := slices.SortedFunc(maps.Keys(t.Signals), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.Signals[b], t.Signals[a]), cmp.Compare(order(a), order(b)), cmp.Compare(a, b))
	})
	within := " within " + config.FormatDuration(t.Within)
	if !counted(names) {
		var things []string
		for _, name := range names {
			things = append(things, thing(cfg, name, 1))
		}
		if len(things) == 1 || t.Score == 1 {
			return strings.Join(things, ", or ")
		}
		return "several unusual things" + from(t.Per) + within + ": " + strings.Join(slices.Compact(things), "; ")
	}
	var parts []string
	for _, name := range names {
		n := (t.Score + t.Signals[name] - 1) / t.Signals[name]
		text := thing(cfg, name, n)
		if n > 1 && (len(parts) == 0 || !strings.HasPrefix(text, "of a kind")) {
			text = fmt.Sprintf("%d %s", n, strings.Replace(text, "of a kind", "requests of a kind", 1))
		}
		if !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	text := strings.Join(parts, ", or ")
	if t.Score > 1 {
		return text + from(t.Per) + within
	}
	return text
}

// order puts requests for accounts that do not exist before those of a strange kind, which
// continue the sentence.
func order(signal string) int {
	if signal == "InvalidAccountID" {
		return 0
	}
	return 1
}

// from says what a threshold counts by.
func from(per config.Per) string {
	switch per {
	case config.PerSource:
		return " from one IP address"
	case config.PerNetwork:
		return " from one network"
	case config.PerAccount:
		return " for one extension"
	case config.PerOrigin:
		return " by calls that no extension makes"
	}
	return ""
}

// sentence joins what is done: "a, b, and c".
func sentence(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	join := " and "
	if len(words) > 2 {
		join = ", and "
	}
	return strings.Join(words[:last], ", ") + join + words[last]
}

// countedThings are what events show one at a time, in the singular and the plural.
var countedThings = map[string][2]string{
	"InvalidPassword":         {"a wrong password", "wrong passwords"},
	"ChallengeResponseFailed": {"a wrong password", "wrong passwords"},
	"InvalidAccountID":        {"a request for an extension that does not exist", "requests for extensions that do not exist"},
	"FailedACL":               {"a request of a kind that no phone sends", "of a kind that no phone sends"},
	"AuthMethodNotAllowed":    {"a request of a kind that no phone sends", "of a kind that no phone sends"},
	"RequestBadFormat":        {"a request of a kind that no phone sends", "of a kind that no phone sends"},
	"RequestNotAllowed":       {"a request of a kind that no phone sends", "of a kind that no phone sends"},
	"UnexpectedAddress":       {"a request of a kind that no phone sends", "of a kind that no phone sends"},
	"InvalidTransport":        {"a request of a kind that no phone sends", "of a kind that no phone sends"},
	"Tampering":               {"an event with forged lines", "events with forged lines"},
	"AnonymousCall":           {"a call abroad without a login", "calls abroad without a login"},
}

// counted says whether all signals are such things.
func counted(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { _, found := countedThings[name]; return !found })
}

// thing is what a signal is, if it takes n of them.
func thing(cfg *config.Config, signal string, n int) string {
	if words, found := countedThings[signal]; found {
		return words[min(n, 2)-1]
	}
	b, s, c := &cfg.BreakIn, &cfg.Slow, &cfg.Calls.Limits
	d := config.FormatDuration
	switch signal {
	case "SuccessAfterFailures":
		return fmt.Sprintf("a break-in: %d failed logins to an extension from one unknown address or its network within %s, then a successful one from there", b.Failures, d(b.Within))
	case "NewPlaceAfterFailures":
		return fmt.Sprintf("%d failed logins to an extension from elsewhere within %s, then a successful one from an unknown address: its owner, or a thief", b.Failures, d(b.Within))
	case "SlowGuesser":
		return fmt.Sprintf("slow guessing within %s: one address at %d extensions, or %d times", d(s.Within), s.Accounts, s.Failures)
	case "SlowNetwork":
		return fmt.Sprintf("slow guessing within %s: one network at %d extensions", d(s.Within), s.NetworkAccounts)
	case "SlowAttack":
		return fmt.Sprintf("slow guessing within %s: %d addresses at one extension", d(s.Within), s.Addresses)
	case "LastingFailures":
		return fmt.Sprintf("%d wrong passwords for one extension over days, from where it is not used", s.Failures)
	case "GuessingCampaign":
		return fmt.Sprintf("a campaign: %d extensions guessed at within %s, from whatever addresses", s.SiteAccounts, d(s.Within))
	case "CallRate":
		return fmt.Sprintf("more than %d calls within a minute", c.Rate)
	case "ConcurrentCalls":
		return fmt.Sprintf("more than %d calls at once", c.Concurrent)
	case "Cadence":
		return fmt.Sprintf("calls less than %s apart", d(c.Gap))
	case "DialProbing":
		return fmt.Sprintf("one number dialled in %d ways", c.Variants)
	case "ForbiddenDestination":
		return "a call to a forbidden number: " + strings.Join(c.Deny, ", ")
	case "OffHours":
		return fmt.Sprintf("more than %d calls within an hour outside working hours", c.OffHours)
	case "Dormant":
		return fmt.Sprintf("the first call of an extension after %s, if it costs or comes from elsewhere", d(c.Dormant))
	case "SpendingSoft":
		return "costly calls beyond the soft limit of an extension's budget"
	case "SpendingHard":
		return "costly calls beyond the hard limit of an extension's budget"
	case "SiteSpendingSoft":
		return "costly calls beyond the soft limit of the site's budget"
	case "SiteSpendingHard":
		return "costly calls beyond the hard limit of the site's budget"
	}
	if words := plainThings[signal]; words != "" {
		return words
	}
	return signal
}

// plainThings are signals without a number.
var plainThings = map[string]string{
	"NewCountry":        "a country that the extension has never called",
	"NewNetwork":        "a network that the extension was never seen in",
	"TwoNetworks":       "calls from two networks at once",
	"ScannerAgent":      "a program that attackers use",
	"UnseenLogin":       "a call without a login",
	"CostlyForward":     "a call forward to a costly number is set",
	"SharedNumber":      "four extensions call one costly number that nobody called before",
	"SequentialNumbers": "costly calls to numbers in a row",
	"TestCalls":         "short calls to many countries, or to one range of numbers",
	"EarlyMedia":        "costly calls that ring for minutes",
	"CostlyAfterLogin":  "a call to a number known for fraud, minutes after the first login from a network",
	"SessionLimit":      "too many sessions of one user",
	"MemoryLimit":       "Asterisk short of memory",
	"LoadAverageLimit":  "Asterisk overloaded",
}

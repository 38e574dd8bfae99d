package settings

import (
	"fmt"
	"slices"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
)

// Policy is the configuration as the judge takes it. Its allow list is the
// configuration's own; see Allow.
func Policy(cfg *config.Config) (judge.Policy, error) {
	p := judge.Policy{
		Observe:   cfg.Mode == config.Observe,
		Playbooks: map[string][]incident.StepKind{},
		Ladder: decide.Ladder{
			Times: cfg.Bans.Ladder, Scopes: scopes(cfg.Bans.Scope), Forget: cfg.Bans.Forget,
			Spoofable: cfg.Bans.Spoofable, SpoofableForever: cfg.Bans.SpoofableForever,
		},
		BreakIn: score.BreakInConfig{Failures: cfg.BreakIn.Failures, Within: cfg.BreakIn.Within},
		Slow: slow.Config{
			Within: cfg.Slow.Within, Accounts: cfg.Slow.Accounts, Failures: cfg.Slow.Failures, NetworkAccounts: cfg.Slow.NetworkAccounts,
			Addresses: cfg.Slow.Addresses, SiteAccounts: cfg.Slow.SiteAccounts,
		},
		Known:      cfg.BreakIn.Known,
		Restrict:   contain.RestrictRule{Networks: cfg.Restrict.Networks, Spoofable: cfg.Restrict.TrustSpoofable, Quiet: cfg.Restrict.Quiet, Lived: cfg.Restrict.Lived},
		Breaker:    contain.BreakerRule{Accounts: cfg.Breaker.Accounts, Within: cfg.Breaker.Within},
		Calls:      callRules(&cfg.Calls),
		Budget:     budget(&cfg.Calls),
		Allow:      Allow(cfg),
		Username:   cfg.Asterisk.Username,
		Log:        cfg.Asterisk.Log != "",
		NoReceiver: !cfg.Notify.Anybody(),
		Command:    Program(cfg.Exec.Command),
	}
	for _, book := range cfg.Playbooks {
		steps := make([]incident.StepKind, len(book.Steps))
		for i, s := range book.Steps {
			steps[i] = incident.StepKind(s)
		}
		p.Playbooks[book.Name] = steps
	}
	for _, t := range cfg.Thresholds {
		threshold, err := thresholdOf(t)
		if err != nil {
			return p, fmt.Errorf("threshold %q: %w", t.Name, err)
		}
		p.Thresholds = append(p.Thresholds, threshold)
	}
	return p, nil
}

// scopes are what bans close, by offence.
func scopes(list []config.Scope) (out []incident.Scope) {
	for _, s := range list {
		out = append(out, incident.Scope(s))
	}
	return out
}

func thresholdOf(t config.Threshold) (score.Threshold, error) {
	per, err := score.ParsePer(string(t.Per))
	if err != nil {
		return score.Threshold{}, err
	}
	points := map[score.Signal]int{}
	for name, n := range t.Signals {
		signal, err := score.ParseSignal(name)
		if err != nil {
			return score.Threshold{}, err
		}
		points[signal] = n
	}
	return score.Threshold{Name: t.Name, Per: per, Points: points, Score: t.Score, Within: t.Within, Playbook: t.Playbook, Observe: t.Mode == config.Observe}, nil
}

// Signals are the names of the signals that this version raises: what a threshold
// may count.
func Signals() []string {
	var names []string
	for _, s := range score.Signals() {
		if judge.Raises(s) {
			names = append(names, s.String())
		}
	}
	return names
}

// StepsInUse are the steps in the playbooks of the thresholds, in the
// documentation's order.
func StepsInUse(cfg *config.Config) []config.Step {
	var used []config.Step
	for _, step := range config.Steps {
		inUse := slices.ContainsFunc(cfg.Thresholds, func(t config.Threshold) bool {
			return slices.ContainsFunc(cfg.Playbooks, func(b config.Playbook) bool {
				return b.Name == t.Playbook && slices.Contains(b.Steps, step)
			})
		})
		if inUse {
			used = append(used, step)
		}
	}
	return used
}

// Program is what a command runs, "" for no command. Its arguments may hold a
// secret and are not shown.
func Program(command []string) string {
	if len(command) == 0 {
		return ""
	}
	return command[0]
}

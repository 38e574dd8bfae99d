package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// policyOf says in the responder's words what the configuration decided. The
// host that Asterisk's manager interface is on is never banned: dropping it
// would make us deaf.
func policyOf(cfg *config.Config) (judge.Policy, error) {
	p := judge.Policy{
		Observe:    cfg.Mode == config.Observe,
		Playbooks:  map[string][]incident.StepKind{},
		Ladder:     decide.Ladder{Times: cfg.Bans.Ladder, Forget: cfg.Bans.Forget, Spoofable: cfg.Bans.Spoofable},
		BreakIn:    score.BreakInConfig{Failures: cfg.BreakIn.Failures, Within: cfg.BreakIn.Within},
		Known:      cfg.BreakIn.Known,
		Restrict:   contain.RestrictRule{Networks: cfg.Restrict.Networks, Spoofable: cfg.Restrict.TrustSpoofable, Quiet: cfg.Restrict.Quiet},
		Calls:      callRules(&cfg.Calls),
		Allow:      allowList(cfg),
		Username:   cfg.Asterisk.Username,
		Log:        cfg.Asterisk.Log != "",
		NoReceiver: !cfg.Notify.Anybody(),
		Command:    program(cfg.Exec.Command),
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
	return score.Threshold{Name: t.Name, Per: per, Points: points, Score: t.Score, Within: t.Within, Playbook: t.Playbook}, nil
}

// tableConfig says in the firewall's words what the configuration decided.
func tableConfig(cfg *config.Config) firewall.Config {
	return firewall.Config{Name: cfg.Firewall.Table, Allow: allowList(cfg), SIPPorts: cfg.Firewall.SIPPorts, Uncounted: !cfg.Firewall.Counters}
}

// allowList is what the configuration itself allows.
func allowList(cfg *config.Config) []netip.Prefix {
	allow := slices.Clone(cfg.Firewall.Allow)
	if host, ok := managerHost(cfg); ok && !slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(host.Addr()) }) {
		allow = append(allow, host)
	}
	return allow
}

// signalNames are what a threshold may count: the signals that this version
// raises.
func signalNames() []string {
	var names []string
	for _, s := range score.Signals() {
		if judge.Raises(s) {
			names = append(names, s.String())
		}
	}
	return names
}

// program is what a command runs; its arguments, which may hold a secret, are
// nobody else's business.
func program(command []string) string {
	if len(command) == 0 {
		return ""
	}
	return command[0]
}

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of what the score tables must remember for a threshold.
const (
	maxScore  = 1000
	maxWithin = 90 * 24 * time.Hour
)

// rules reads thresholds and playbooks. A file that has any of them replaces the
// whole built-in set.
func (p *parser) rules(f *file, c *Config) {
	if len(f.Threshold) == 0 && len(f.Playbook) == 0 {
		return
	}
	c.Thresholds, c.Playbooks = nil, nil
	for i, in := range f.Playbook {
		if book, ok := p.playbook(fmt.Sprintf("playbook[%d]", i), in, c.Playbooks); ok {
			c.Playbooks = append(c.Playbooks, book)
		}
	}
	for i, in := range f.Threshold {
		c.Thresholds = append(c.Thresholds, p.threshold(fmt.Sprintf("threshold[%d]", i), in, f.Playbook, c.Thresholds))
	}
	p.splitBreakIn(c)
	p.noBudget(c)
	if len(f.Threshold) == 0 {
		p.fail("playbook[0]", "no [[threshold]] runs the playbooks: add thresholds, or leave both out to use the built-in set")
	}
}

// splitBreakIn warns of thresholds from before the signal of a break-in was split in two: with
// them, the login of a thief whose guesses came from elsewhere brings nothing.
func (p *parser) splitBreakIn(c *Config) {
	p.warnWithout(c, "SuccessAfterFailures", "NewPlaceAfterFailures", "so a login from an unknown address after guesses from elsewhere brings nothing before a second sign: "+
		"copy \"new place after guessing\" from `tollwarden check --reference`")
}

// noBudget warns of thresholds from before there were budgets: with them, a hard limit ends
// no calls.
func (p *parser) noBudget(c *Config) {
	p.warnWithout(c, "ForbiddenDestination", "SpendingHard", "so the limits of [calls.budget] end no calls: "+
		"copy the six thresholds about spending and the playbook \"end spending\" from `tollwarden check --reference`")
}

// warnWithout warns of thresholds that use an older signal, but not the one that came beside
// it, and says what follows.
func (p *parser) warnWithout(c *Config, older, newer, so string) {
	using := func(signal string) int {
		return slices.IndexFunc(c.Thresholds, func(t Threshold) bool { return t.Signals[signal] > 0 })
	}
	first := using(older)
	if first < 0 || using(newer) >= 0 {
		return
	}
	p.warnings = append(p.warnings, Warning{
		File: p.name, Line: p.line(fmt.Sprintf("threshold[%d]", first)),
		Text: "no [[threshold]] has the signal " + newer + ", " + so,
	})
}

func (p *parser) playbook(key string, in filePlaybook, before []Playbook) (Playbook, bool) {
	book := Playbook{Name: in.Name}
	if in.Name == "" {
		p.fail(key, "a playbook needs a name")
		return book, false
	}
	if slices.ContainsFunc(before, func(b Playbook) bool { return b.Name == in.Name }) {
		p.fail(key+".name", "two playbooks are called %q", in.Name)
	}
	if len(in.Steps) == 0 {
		p.fail(key, "playbook %q has no steps: want some of %s", in.Name, stepNames())
	}
	for _, s := range in.Steps {
		switch step := p.step(key+".steps", s); {
		case !slices.Contains(Steps, step):
			p.fail(key+".steps", "%q: want some of %s%s", s, stepNames(), meant(s, Steps...))
		case slices.Contains(book.Steps, step):
			p.fail(key+".steps", "%s", twice(step, in.Steps))
		default:
			book.Steps = append(book.Steps, step)
		}
	}
	return book, true
}

func (p *parser) threshold(key string, in fileThreshold, books []filePlaybook, before []Threshold) Threshold {
	t := Threshold{Name: in.Name, Per: Per(in.Per), Signals: in.Signals, Score: in.Score, Playbook: in.Playbook, Mode: cmp.Or(Mode(in.Mode), Enforce)}
	if t.Mode != Enforce && t.Mode != Observe {
		p.failIn(key, "mode", `%q: want "enforce" or "observe"`, t.Mode)
	}
	if t.Name == "" {
		p.fail(key, "a threshold needs a name")
	}
	if slices.ContainsFunc(before, func(b Threshold) bool { return b.Name == t.Name }) {
		p.fail(key+".name", "two thresholds are called %q", t.Name)
	}
	if t.Per != PerSource && t.Per != PerNetwork && t.Per != PerAccount && t.Per != PerSite && t.Per != PerOrigin {
		p.failIn(key, "per", `%q: want "source", "network", "account", "site" or "origin"%s`, t.Per, meantPer(t.Per))
	}
	if t.Score < 1 || t.Score > maxScore {
		p.failIn(key, "score", "%d: want 1 to %d", t.Score, maxScore)
	}
	p.signals(key, t)
	within, err := parseDuration(in.Within)
	if err != nil || within > maxWithin {
		p.failIn(key, "within", "%q: %v, at most %s", in.Within, errDuration, FormatDuration(maxWithin))
	}
	t.Within = within
	if !slices.ContainsFunc(books, func(b filePlaybook) bool { return b.Name == t.Playbook }) {
		p.failIn(key, "playbook", "there is no [[playbook]] %q: want one of %s%s", t.Playbook, bookNames(books), meantBook(t.Playbook, books))
	}
	return t
}

func (p *parser) signals(key string, t Threshold) {
	if len(t.Signals) == 0 {
		p.failIn(key, "signals", "empty: want points by signal, such as { InvalidPassword = 1 }")
	}
	names := make([]string, 0, len(t.Signals))
	for name := range t.Signals {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if p.env.Signals != nil && !slices.Contains(p.env.Signals, name) {
			p.failIn(key, "signals", "%s", noSignal(name, p.env.Signals))
		}
		if points := t.Signals[name]; points < 1 || points > maxScore {
			p.failIn(key, "signals", "%s = %d: want 1 to %d points", name, points, maxScore)
		}
	}
}

// failIn reports a problem of a key in an element of an array, on the element's
// line when the key is missing.
func (p *parser) failIn(element, key, format string, args ...any) {
	full := element + "." + key
	line := p.line(full)
	if line == 0 {
		line = p.line(element)
	}
	p.problems = append(p.problems, Problem{File: p.name, Line: line, Key: full, Text: fmt.Sprintf(format, args...)})
}

// noSignal says that there is no such signal: with the one that was meant, or with all.
func noSignal(name string, all []string) string {
	if close := meant(name, all...); close != "" {
		return fmt.Sprintf("there is no signal %q%s", name, close)
	}
	return fmt.Sprintf("there is no signal %q: want some of %s", name, strings.Join(all, ", "))
}

// meantPer is meant for what a threshold counts by, also in other words.
func meantPer(per Per) string {
	switch strings.ToLower(string(per)) {
	case "ip", "address", "host":
		return didYouMean(string(PerSource))
	case "extension", "user", "peer", "endpoint":
		return didYouMean(string(PerAccount))
	}
	return meant(string(per), PerSource, PerNetwork, PerAccount, PerSite, PerOrigin)
}

func meantBook(name string, books []filePlaybook) string {
	names := make([]string, len(books))
	for i, b := range books {
		names[i] = b.Name
	}
	return meant(name, names...)
}

func stepNames() string {
	names := make([]string, len(Steps))
	for i, s := range Steps {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func bookNames(books []filePlaybook) string {
	if len(books) == 0 {
		return "none"
	}
	names := make([]string, len(books))
	for i, b := range books {
		names[i] = fmt.Sprintf("%q", b.Name)
	}
	return strings.Join(names, ", ")
}

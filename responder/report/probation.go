package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// onProbation returns the address that the account was used from after others had
// guessed at it, which is its owner's or a thief's.
func (t *builder) onProbation() (address string, ok bool) {
	if t.breakIn() || t.decided() != "" {
		return "", false
	}
	for _, o := range slices.Backward(t.i.Evidence) {
		if o.Signal == score.NewPlaceAfterFailures && o.Source.IsValid() {
			return Plain(o.Source.String()), true
		}
	}
	return "", false
}

// decided is why costly calls are no longer ended: somebody has decided whose the new
// address is. "" is that nobody has.
func (t *builder) decided() string {
	for _, s := range t.i.Steps {
		if why, over := strings.CutPrefix(s.Detail, incident.NoLonger); over && s.Step == incident.StepLimitCosts {
			return Plain(why)
		}
	}
	return ""
}

// decide says how a person answers for an address on probation.
func (t *builder) decide(address string) []string {
	return []string{
		fmt.Sprintf("If it was you, or somebody of yours, at %s: %s. Then nothing is limited any more.", address, incident.AccountCommand("trust", t.i.Account, address)),
		fmt.Sprintf("If not: %s. That ends its calls, changes its password, removes its registrations and bans the address.", incident.AccountCommand("compromise", t.i.Account)),
	}
}

// undecided says what is limited until a person decides.
func (t *builder) undecided(address string) string {
	limited := "Calls that cost (abroad, premium, satellite) from there and from other unknown addresses are ended."
	if !slices.ContainsFunc(t.r.Steps, func(s Step) bool {
		return s.kind == incident.StepLimitCosts && s.State == string(incident.Done)
	}) {
		limited = "Nothing is limited."
	}
	return fmt.Sprintf("Undecided: after wrong passwords that may be a thief's, %s was used from a new address, %s: you, or a thief. Its calls, registrations and password are left alone. %s", t.account, address, limited)
}

package calls

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// OneNumber reports whether what an account has dialled are forms of one number, dialled no
// faster than a person does.
func (d *Detector) OneNumber(now time.Time, account string, dialled []string) bool {
	a := d.accounts[account]
	if a == nil || len(dialled) == 0 || d.Hasty(now, account) {
		return false
	}
	tried := slices.Clone(a.dialed) // also forms that were no sign
	for _, number := range dialled[1:] {
		tried = append(tried, dialedNumber{d.read(a.limits, number), now})
	}
	first := d.read(a.limits, dialled[0])
	forms := append(formsOf(&first, tried), &first)
	return !slices.ContainsFunc(dialled, func(number string) bool {
		return !slices.ContainsFunc(forms, func(n *numbers.Number) bool { return n.Digits == number })
	})
}

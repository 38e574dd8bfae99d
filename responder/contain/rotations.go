package contain

import "time"

// Grace is how long after we changed a password the account's own places may
// fail with the old one: a person has to enter the new one at the phone.
const Grace = 7 * 24 * time.Hour

// Rotations are when accounts got their last password from us. The zero value is
// ready to use.
type Rotations struct {
	at map[string]time.Time
}

// Set records that an account got another password.
func (r *Rotations) Set(account string, at time.Time) {
	if r.at == nil {
		r.at = map[string]time.Time{}
	}
	r.at[account] = at
}

// At is when an account got its password from us; the zero time when it did not,
// or longer ago than Grace.
func (r *Rotations) At(account string) time.Time { return r.at[account] }

// InGrace says whether an account got its password from us within Grace. It
// allocates nothing.
func (r *Rotations) InGrace(now time.Time, account []byte) bool {
	if len(r.at) == 0 {
		return false
	}
	at, rotated := r.at[string(account)]
	return rotated && now.Sub(at) < Grace
}

// Prune forgets those that are older than Grace.
func (r *Rotations) Prune(now time.Time) {
	for account, at := range r.at {
		if now.Sub(at) > Grace {
			delete(r.at, account)
		}
	}
}

package incident

import "time"

// HoldKind is what is taken from an account.
type HoldKind string

// A locked account cannot call; a restricted one can be used from some networks
// alone.
const (
	HoldLock        HoldKind = "lock"
	HoldRestriction HoldKind = "restriction"
)

// Hold is what is taken from an account until it is given back, and has to
// survive a restart.
type Hold struct {
	Account string
	Kind    HoldKind
	Value   string // what gives it back: the contexts of before, or the networks
	Since   time.Time
}

package incident

import "time"

// HoldKind is what holds for an account.
type HoldKind string

// A locked account cannot call; a restricted one can be used from some networks
// alone; somebody else knows the password of a stolen one, and has used a compromised one.
const (
	HoldLock        HoldKind = "lock"
	HoldRestriction HoldKind = "restriction"
	HoldStolen      HoldKind = "stolen"
	HoldCompromised HoldKind = "compromised"
)

// Hold is what holds for an account until it is ended, and has to survive a restart.
type Hold struct {
	Account string
	Kind    HoldKind
	Value   string // the contexts of before, the networks, or where the others are or were
	Since   time.Time
}

package incident

import "time"

// HoldKind is what holds for an account.
type HoldKind string

// A locked account cannot call; a restricted one can be used from some networks
// alone; somebody else knows the password of a stolen one, and has used a compromised one.
// Costly calls of an account are ended if they come from where it is not known. Its
// addresses on probation may be a thief's.
const (
	HoldLock        HoldKind = "lock"
	HoldRestriction HoldKind = "restriction"
	HoldStolen      HoldKind = "stolen"
	HoldCosts       HoldKind = "costs"
	HoldProbation   HoldKind = "probation"
	HoldCompromised HoldKind = "compromised"
)

// Steps wait for a person at a waiting account. The others are of no account: a pause of all
// automatic steps, and when a person last let the breaker go on.
const (
	HoldWaiting HoldKind = "waiting"
	HoldPause   HoldKind = "pause"
	HoldResumed HoldKind = "resumed"
)

// Hold is what holds for an account, or for all of them, until it is ended, and has to
// survive a restart.
type Hold struct {
	Account string // "": all of them
	Kind    HoldKind
	Value   string // the contexts of before, the networks, where the others are or were, until or since when, or what waits
	Since   time.Time
}

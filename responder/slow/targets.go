package slow

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// targets are the accounts that are guessed at.
type targets struct {
	list  []target
	index map[string]int32
	free  []int32
	// guessed counts the accounts that an address failed for; guessedProven those with
	// proven failures.
	guessed, guessedProven int
	refused                uint64
}

// target is one account.
type target struct {
	name string
	refs int32 // tries of addresses and networks
	// tries counts the addresses that failed for it, proven those with proven failures.
	tries, proven          int32
	changes, provenChanges spread   // of all failures, and of proven ones
	raised                 [2]int64 // when SlowAttack was last raised, in µs, by proof
	long                   persistence
}

// maxTargets bounds the accounts: Asterisk names those that exist.
const maxTargets = 1 << 14

func newTargets() *targets { return &targets{index: map[string]int32{}} }

func (t *targets) at(i int32) *target { return &t.list[i] }

// find returns the number of an account, or -1.
func (t *targets) find(name []byte) int32 {
	if i, ok := t.index[string(name)]; ok {
		return i
	}
	return -1
}

// use finds or makes an account. It returns -1 if there is no room.
func (t *targets) use(name []byte) int32 {
	if i := t.find(name); i >= 0 {
		return i
	}
	if len(t.index) >= maxTargets {
		t.refused++
		return -1
	}
	i := int32(len(t.list))
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.list = append(t.list, target{})
	}
	x := t.at(i)
	*x = target{name: string(name)}
	t.index[x.name] = i
	return i
}

// tried counts one more try; counted is false for a network's.
func (t *targets) tried(i int32, counted bool) {
	x := t.at(i)
	x.refs++
	if !counted {
		return
	}
	if x.tries++; x.tries == 1 {
		t.guessed++
	}
}

// proved counts one more address with a proven failure.
func (t *targets) proved(i int32) {
	if x := t.at(i); x.proven == 0 {
		t.guessedProven++
	}
	t.at(i).proven++
}

// untried takes a try back.
func (t *targets) untried(i int32, counted, proven bool) {
	x := t.at(i)
	x.refs--
	if !counted {
		return
	}
	if x.tries--; x.tries == 0 {
		t.guessed--
	}
	if !proven {
		return
	}
	if x.proven--; x.proven == 0 {
		t.guessedProven--
	}
}

// prune removes the accounts of which nothing counts any more.
func (t *targets) prune(cut int64) {
	for i := range t.list {
		x := &t.list[i]
		if x.name == "" || x.refs > 0 || x.changes.count(cut) > 0 || x.provenChanges.count(cut) > 0 || x.long.raised > cut || x.long.begun > cut {
			continue
		}
		delete(t.index, x.name)
		*x = target{}
		t.free = append(t.free, int32(i))
	}
}

// failed notes the address of a failure.
func (x *target) failed(source netip.Prefix, o *score.Observation) {
	at := o.At.UnixMicro()
	x.changes.add(source, at)
	if o.Proof == score.Proven {
		x.provenChanges.add(source, at)
	}
}

// attackEvery is the shortest time between two SlowAttacks of the same proof on one
// account: a flood of forged packets must not raise one after the other.
const attackEvery = time.Hour

// attacked reports whether the address changed that often after cut. If so, it begins
// to count anew.
func (x *target) attacked(addresses int, cut int64, o *score.Observation) (proof score.Proof, ok bool) {
	switch {
	case o.Proof == score.Proven && x.provenChanges.count(cut) >= addresses:
		proof = score.Proven
	case x.changes.count(cut) >= addresses:
		proof = score.Spoofable
	default:
		return score.Spoofable, false
	}
	at := o.At.UnixMicro()
	if at-x.raised[proof] < attackEvery.Microseconds() {
		return proof, false
	}
	x.raised[proof] = at
	x.changes.clear()
	if proof == score.Proven {
		x.provenChanges.clear()
	}
	return proof, true
}

// spread notes when the address of an account's failures changed.
type spread struct {
	last    netip.Prefix
	changes [MaxAddresses]int64 // the newest, in µs since 1970; a ring
	next    uint8
}

func (s *spread) add(source netip.Prefix, at int64) {
	if source == s.last {
		return
	}
	s.last = source
	s.changes[s.next%MaxAddresses] = at
	s.next++
}

// count counts the changes after cut.
func (s *spread) count(cut int64) (n int) {
	for _, at := range &s.changes {
		if at > cut {
			n++
		}
	}
	return n
}

// clear forgets the changes, but not the last address.
func (s *spread) clear() { *s = spread{last: s.last} }

package places

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An address is on probation if an account succeeded there after others had guessed at
// its password: the owner may have moved, or a thief has come. It stays unknown, however
// often it succeeds, until the account is at home in its network by the use of other
// addresses, or a person says so.

const (
	// ProbationFor is how long an address stays on probation.
	ProbationFor = 30 * 24 * time.Hour
	// WatchedFor is how long each of its calls is recorded.
	WatchedFor = 24 * time.Hour
	// maxProbation bounds the addresses of one account that are on probation, so that
	// they leave room for those that are known. If an address goes and succeeds again,
	// it is put on probation again: see Undecided.
	maxProbation = 32
	// ownUse is how much earlier than its probation the use of an address may have
	// been recorded: both come from one event.
	ownUse = 10 * time.Second
)

// Probation is an address on probation.
type Probation struct {
	Account string
	Source  netip.Prefix // an IPv4 /32 or an IPv6 /64
	Since   time.Time    // of the suspicion
	First   time.Time    // when it was first used
	Proven  bool         // the success came from there for certain
}

// PutOnProbation records a success that may be a thief's. since is when the suspicion
// began, which is earlier than at if another address brought it on.
func (p *Places) PutOnProbation(name []byte, source netip.Prefix, since, at time.Time, proof score.Proof) {
	a := p.use(string(name))
	a.makeRoomOnProbation(source)
	is := a.addressOrNew(source, p.config.Addresses)
	is.last, is.probation, is.proven = at, since, proof == score.Proven
	a.disown(p, source, at)
	p.probationChanged(a, at)
}

// RestoreProbation takes over an address on probation of a former run, after the places
// that are known.
func (p *Places) RestoreProbation(x Probation) {
	a := p.use(x.Account)
	is := a.addressOrNew(x.Source, p.config.Addresses)
	is.last, is.probation, is.proven = x.Since, x.Since, x.Proven
	a.disown(p, x.Source, x.Since)
}

// makeRoomOnProbation takes the address off probation that has been on it longest, if
// there are too many.
func (a *account) makeRoomOnProbation(source netip.Prefix) {
	oldest, n := -1, 0
	for i := range a.addresses {
		is := &a.addresses[i]
		if is.probation.IsZero() || is.source == source {
			continue
		}
		if n++; oldest < 0 || is.last.Before(a.addresses[oldest].last) {
			oldest = i
		}
	}
	if n >= maxProbation {
		a.addresses = slices.Delete(a.addresses, oldest, oldest+1)
	}
}

// disown forgets that the account is used from the network of an address, if nothing
// but the address itself shows it.
func (a *account) disown(p *Places, source netip.Prefix, at time.Time) {
	network := event.NetworkPrefix(source.Addr())
	s := a.networks[network]
	if s == nil || s.first.Before(at.Add(-ownUse)) {
		return
	}
	if !slices.ContainsFunc(a.addresses, func(is address) bool { return network.Contains(is.source.Addr()) && p.known(a, is.source, at) }) {
		delete(a.networks, network)
	}
}

// onProbation says whether an address is on probation still.
func (a *account) onProbation(is *address, now time.Time) bool {
	return !is.probation.IsZero() && now.Sub(is.probation) < ProbationFor && !a.home(now, event.NetworkPrefix(is.source.Addr()))
}

// OnProbation says whether an account's address is on probation.
func (p *Places) OnProbation(name []byte, source netip.Prefix, now time.Time) bool {
	e := p.accounts[string(name)]
	if e == nil {
		return false
	}
	a := e.Value.(*account)
	is := a.address(source)
	return is != nil && a.onProbation(is, now)
}

// Undecided says since when an account has an address on probation, the newest
// suspicion if there are several. It allocates nothing.
func (p *Places) Undecided(name []byte, now time.Time) (since time.Time, ok bool) {
	e := p.accounts[string(name)]
	if e == nil {
		return time.Time{}, false
	}
	a := e.Value.(*account)
	for i := range a.addresses {
		if is := &a.addresses[i]; a.onProbation(is, now) && is.probation.After(since) {
			since, ok = is.probation, true
		}
	}
	return since, ok
}

// Probations are the addresses of an account that are on probation, the one used last
// first.
func (p *Places) Probations(name string, now time.Time) (list []Probation) {
	a := p.find(name)
	if a == nil {
		return nil
	}
	var used []address
	for i := range a.addresses {
		if a.onProbation(&a.addresses[i], now) {
			used = append(used, a.addresses[i])
		}
	}
	slices.SortStableFunc(used, func(x, y address) int { return y.last.Compare(x.last) })
	for _, is := range used {
		list = append(list, Probation{a.name, is.source, is.probation, is.last, is.proven})
	}
	return list
}

// AccountsOnProbation are the accounts with an address on probation, in order.
func (p *Places) AccountsOnProbation(now time.Time) (names []string) {
	for name := range p.accounts {
		if _, undecided := p.Undecided([]byte(name), now); undecided {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Trust ends the probation of an address, because a person says whose it is: it is
// known from now on. ok is false if the address is not on probation.
func (p *Places) Trust(name string, source netip.Addr, now time.Time) (ok bool) {
	prefix := event.SourcePrefix(source)
	if !p.OnProbation([]byte(name), prefix, now) {
		return false
	}
	a := p.find(name)
	a.address(prefix).probation = time.Time{}
	p.Succeed([]byte(name), prefix, now)
	p.probationChanged(a, now)
	return true
}

// ForgetProbation ends the probation of all addresses of an account: its password was
// changed, or a person has dealt with it.
func (p *Places) ForgetProbation(name string) {
	a := p.find(name)
	if a == nil || !slices.ContainsFunc(a.addresses, func(is address) bool { return !is.probation.IsZero() }) {
		return
	}
	a.addresses = slices.DeleteFunc(a.addresses, func(is address) bool { return !is.probation.IsZero() && !is.thief })
	for i := range a.addresses {
		a.addresses[i].probation = time.Time{}
	}
	p.probationChanged(a, time.Time{})
}

// Trusted says whether an account may turn up at an address however often others
// failed: it is at home in the network, or the address is on the allow list.
func (p *Places) Trusted(name []byte, source netip.Prefix, now time.Time) bool {
	e := p.accounts[string(name)]
	return e != nil && e.Value.(*account).home(now, event.NetworkPrefix(source.Addr())) || p.Allowed(source)
}

// Formerly says whether an account was known at exactly this address within LivedFor: its
// own phone there may have an old password. It allocates nothing.
func (p *Places) Formerly(name []byte, source netip.Prefix, now time.Time) bool {
	e := p.accounts[string(name)]
	if e == nil {
		return false
	}
	is := e.Value.(*account).address(source)
	return is != nil && is.own(now)
}

// Occupied says whether any account is known at an address. It looks at every account,
// unless a phone is in use there.
func (p *Places) Occupied(source netip.Prefix, now time.Time) bool {
	if p.Why(source) != "" {
		return true
	}
	for e := p.order.Front(); e != nil; e = e.Next() {
		if p.known(e.Value.(*account), source, now) {
			return true
		}
	}
	return false
}

// doubtful says whether an account is not known to be used from an address rightly: it
// is a thief's, or on probation.
func (a *account) doubtful(source netip.Prefix, now time.Time) bool {
	is := a.address(source)
	return is != nil && (is.thief || a.onProbation(is, now))
}

func (p *Places) probationChanged(a *account, now time.Time) {
	if p.config.ProbationChanged != nil {
		p.config.ProbationChanged(a.name, p.Probations(a.name, now))
	}
}

// ProbationHold is how the ledger keeps an account's Probations.
func ProbationHold(account string, list []Probation) incident.Hold {
	h := incident.Hold{Account: account, Kind: incident.HoldProbation}
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = x.Source.String() + "@" + x.Since.UTC().Format(time.RFC3339)
		if x.Proven {
			words[i] += "@" + score.Proven.String()
		}
		if x.Since.After(h.Since) {
			h.Since = x.Since
		}
	}
	h.Value = strings.Join(words, " ")
	return h
}

// ParseProbation reads what ProbationHold made, and leaves out what it cannot read.
func ParseProbation(h incident.Hold) (list []Probation) {
	for word := range strings.FieldsSeq(h.Value) {
		parts := strings.Split(word, "@")
		if len(parts) < 2 {
			continue
		}
		source, err := netip.ParsePrefix(parts[0])
		since, terr := time.Parse(time.RFC3339, parts[1])
		if err == nil && terr == nil {
			list = append(list, Probation{Account: h.Account, Source: source, Since: since, Proven: len(parts) > 2})
		}
	}
	return list
}

// ProbationAt is the probation of an account's address; ok is false if it is not on one.
func (p *Places) ProbationAt(account string, at netip.Addr, now time.Time) (is Probation, ok bool) {
	for _, is := range p.Probations(account, now) {
		if is.Source == event.SourcePrefix(at) {
			return is, true
		}
	}
	return Probation{}, false
}

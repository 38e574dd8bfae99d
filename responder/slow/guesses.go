package slow

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Config says how much slow guessing raises a signal. Zero values mean the defaults.
type Config struct {
	Within          time.Duration // how long a wrong password counts; default 7 days
	Accounts        int           // SlowGuesser: accounts that one address fails for; default 4, 2 to MaxAccounts
	Failures        int           // SlowGuesser, LastingFailures: wrong passwords over at least three days; default 30
	NetworkAccounts int           // SlowNetwork: the same for a network; default 8, 2 to MaxAccounts
	Addresses       int           // SlowAttack: changes of address; default 20, 2 to MaxAddresses
	SiteAccounts    int           // GuessingCampaign: accounts guessed at; default 15
}

// Limits of Config: what is kept of an address, and of an account.
const (
	MaxAccounts  = 8
	MaxAddresses = 32
)

func (c Config) withDefaults() Config {
	c.Within = cmp.Or(max(c.Within, 0), 7*24*time.Hour)
	c.Accounts = min(cmp.Or(max(c.Accounts, 0), 4), MaxAccounts)
	c.Failures = cmp.Or(max(c.Failures, 0), 30)
	c.NetworkAccounts = min(cmp.Or(max(c.NetworkAccounts, 0), 8), MaxAccounts)
	c.Addresses = min(cmp.Or(max(c.Addresses, 0), 20), MaxAddresses)
	c.SiteAccounts = cmp.Or(max(c.SiteAccounts, 0), 15)
	return c
}

// Places knows where accounts are used. Its methods must not keep name.
type Places interface {
	// Lives reports whether an account is known at an address, or at home in its
	// network.
	Lives(name []byte, source netip.Prefix, now time.Time) bool
}

// maxGuessers and maxNetworks bound the addresses and the networks that are kept, at
// about 550 bytes each: 11 MB when a flood has filled both tables.
const (
	maxGuessers = 1 << 14
	maxNetworks = 1 << 12
)

// Guesses keeps the wrong passwords that count.
type Guesses struct {
	config   Config
	places   Places
	targets  *targets
	sources  *guessers
	networks *guessers
	own      ownPhones
	campaign campaign
	raised   []Raised
	removed  []Guess // to be kept on disk as removed
	derived  []score.Observation
}

// New returns Guesses without any.
func New(c Config, places Places) *Guesses {
	t := newTargets()
	return &Guesses{
		config: c.withDefaults(), places: places, targets: t,
		sources: newGuessers(maxGuessers, t, true), networks: newGuessers(maxNetworks, t, false), own: newOwnPhones(),
	}
}

// Configure changes what raises a signal, and forgets nothing.
func (g *Guesses) Configure(c Config) { g.config = c.withDefaults() }

// Observe takes one attempt and returns the signals that it raises, with its source
// and account. The slice and what it borrows from o are valid until the next call.
func (g *Guesses) Observe(o *score.Observation) []score.Observation {
	g.derived = g.derived[:0]
	source := event.SourcePrefix(o.Source)
	if !source.IsValid() || len(o.Account) == 0 || len(o.Account) > maxName || string(o.Account) == event.Unknown || string(o.Service) == "AMI" {
		return nil
	}
	switch {
	case o.Signal == score.SuccessfulAuth:
		if g.places.Lives(o.Account, source, o.At) {
			g.forgive(o.Account, source)
		}
	case o.Signal.Failure():
		g.failed(source, o)
	}
	return g.derived
}

// maxName bounds an account's name: none with a longer one can call
// (AST_CHANNEL_NAME).
const maxName = 80

func (g *Guesses) failed(source netip.Prefix, o *score.Observation) {
	if g.own.failed(source, o.Account, o.At, g.places) {
		return
	}
	t := g.targets.use(o.Account)
	if t < 0 {
		return
	}
	cut := o.At.Add(-g.config.Within).UnixMicro()
	g.targets.at(t).failed(source, o)
	s := g.sources.failed(source, t, o, cut)
	n := g.networks.failed(event.NetworkPrefix(o.Source), t, o, cut)
	guesser := false
	if started, proof := g.campaign.news(g.targets, g.config, o); started {
		g.raised = append(g.raised, Raised{At: o.At, Proven: proof == score.Proven})
		g.derive(o, score.GuessingCampaign, proof)
		g.participants(o)
	} else if proof, ok := g.slow(g.sources.at(s), o.Proof); ok {
		guesser = true
		g.derive(o, score.SlowGuesser, proof)
	}
	if proof, ok := g.networkSlow(g.networks.at(n), o); ok {
		g.derive(o, score.SlowNetwork, proof)
	}
	g.attacked(g.targets.at(t), o, cut, guesser)
}

// attacked raises what the failures for one account show. During a campaign people know,
// and must not be told of every account.
func (g *Guesses) attacked(x *target, o *score.Observation, cut int64, guesser bool) {
	campaign := g.during(o.Proof)
	proof, news := x.long.failed(g.config.Failures, cut, o, campaign || guesser)
	g.keep(x, news)
	if news {
		g.derive(o, score.LastingFailures, proof)
	}
	if campaign {
		return
	}
	if proof, ok := x.attacked(g.config.Addresses, cut, o); ok {
		g.derive(o, score.SlowAttack, proof)
	}
}

func (g *Guesses) derive(o *score.Observation, s score.Signal, proof score.Proof) {
	derived := *o
	derived.Signal, derived.Proof = s, proof
	g.derived = append(g.derived, derived)
}

// enough reports whether a guesser has failed for so many accounts and so often, and
// whether that is proven: the observation is, and enough of what it rests on.
func enough(x *guesser, least counts, of score.Proof) (proof score.Proof, ok bool) {
	all, proven := x.count()
	if of == score.Proven && proven.reach(least) {
		return score.Proven, true
	}
	return score.Spoofable, all.reach(least)
}

// networkEvery is the shortest time between two SlowNetworks of the same proof and
// network.
const networkEvery = time.Minute

// networkSlow reports whether a network is a SlowNetwork.
func (g *Guesses) networkSlow(x *guesser, o *score.Observation) (proof score.Proof, ok bool) {
	proof, ok = enough(x, counts{accounts: g.config.NetworkAccounts}, o.Proof)
	at := o.At.UnixMicro()
	if !ok || at-x.raised[proof] < networkEvery.Microseconds() {
		return proof, false
	}
	x.raised[proof] = at
	return proof, true
}

// forgive takes back what an account failed at an address where it has succeeded.
func (g *Guesses) forgive(name []byte, source netip.Prefix) {
	g.own.succeeded(source, name)
	t := g.targets.find(name)
	if t < 0 {
		return
	}
	gone, ok := g.sources.forget(source, t)
	if !ok {
		return
	}
	g.networks.take(event.NetworkPrefix(source.Addr()), t, gone)
	g.remove(string(name), source, gone)
}

// Forget takes back everything that an address failed: a person says that it is no
// attacker's.
func (g *Guesses) Forget(source netip.Prefix) {
	i, ok := g.sources.index[source]
	if !ok {
		return
	}
	for x := g.sources.at(i); x.n > 0; { // forget frees it with the last try
		t := x.tries[0].target
		gone, _ := g.sources.forget(source, t)
		g.networks.take(event.NetworkPrefix(source.Addr()), t, gone)
		g.remove(g.targets.at(t).name, source, gone)
	}
}

// Reviewed begins to count anew how the addresses of an account's failures change and
// how long they last: a person has looked at them.
func (g *Guesses) Reviewed(account string) {
	if t := g.targets.find([]byte(account)); t >= 0 {
		x := g.targets.at(t)
		x.changes, x.provenChanges = spread{}, spread{}
		x.long.begun = 0
	}
}

// Prune forgets what no longer counts. It is to be called once a minute.
func (g *Guesses) Prune(now time.Time) {
	cut := now.Add(-g.config.Within).UnixMicro()
	g.sources.prune(cut)
	g.networks.prune(cut)
	g.targets.prune(cut)
	g.own.prune(now)
}

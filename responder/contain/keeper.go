package contain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

const (
	// lookEvery is how often Asterisk is asked whether it was reloaded, and some accounts
	// are looked at.
	lookEvery = time.Second
	// compareEvery is how often everything is compared, whatever else happens.
	compareEvery = time.Minute
	// isolateEvery is the shortest pause between two looks at the files of all accounts.
	isolateEvery = 15 * time.Second
	// failAtMost is how often an account that cannot be compared has everything compared
	// again at once: a reload may be under way.
	failAtMost = 10
	// looked bounds the accounts looked at between two such comparisons, each second.
	looked = 10
)

// Keeper keeps in force what was ordered about accounts. It compares that with what Asterisk
// has after every reload, at the start and every minute, and puts back what other programs
// undid.
type Keeper struct {
	runner   *Runner
	options  KeeperOptions
	soonC    chan struct{}
	next     time.Time // of the comparison of everything
	reloaded string    // when Asterisk was, as far as is known
	isolated time.Time // when the files of all accounts were last looked at
	place    int       // in the list of accounts
	failed   int       // comparisons of everything in a row with an account that could not be
	again    bool      // something was changed while it was looked at
}

// KeeperOptions are the edges of a Keeper.
type KeeperOptions struct {
	Standing Standing
	// Stranger says whether an account is not at home at an address, where it may have been
	// used since then by somebody else; and Paused whether nothing may be changed now. Both
	// are called under the lock.
	Stranger func(now, since time.Time, account string, at netip.Addr) bool
	Paused   func(now time.Time) bool
	// Observes says whether only what a person ordered is put back. It is called under the
	// lock, and may be nil.
	Observes func() bool
	// Reloaded, if set, is called after Asterisk has read its files. It must not block.
	Reloaded func()
	// Tell takes news about an order. It must not block.
	Tell func(n News)
}

// News is what became of an order.
type News struct {
	Order  orders.Order
	Detail string // what was done; "" for nothing
	// Alarm says that a person should hear of it.
	Alarm bool
}

// Keep makes the Keeper of a Runner. From then on the Runner records orders. It must be
// called before Run.
func (r *Runner) Keep(o KeeperOptions) *Keeper {
	r.standing = o.Standing
	return &Keeper{runner: r, options: o, soonC: make(chan struct{}, 1)}
}

// Compare has everything compared at once: Asterisk has read its files, or there is a new
// session to it. It does not wait.
func (k *Keeper) Compare() {
	select {
	case k.soonC <- struct{}{}:
	default:
	}
}

// Run keeps orders in force until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-k.soonC:
			k.next = time.Time{}
		case <-ctx.Done():
			return nil
		}
		k.look(ctx)
	}
}

// look compares everything if that is due, or else some accounts by what is cheap to read.
func (k *Keeper) look(ctx context.Context) {
	var accounts []string
	now, paused := time.Now(), false
	k.runner.owner.With(func() {
		accounts, paused = k.runner.state.Orders.Accounts(), k.options.Paused(now)
	})
	if len(accounts) == 0 || paused {
		return
	}
	if k.wasReloaded(ctx) {
		k.next = time.Time{}
	}
	all := !now.Before(k.next)
	switch {
	case all && now.Sub(k.isolated) >= isolateEvery:
		k.isolated = now
		k.isolate(ctx)
	case !all:
		accounts = k.some(accounts)
	}
	k.again = false
	read, failed := k.options.Standing.Round(all), 0
	for _, account := range accounts {
		err := k.compare(ctx, account, read)
		if err == nil {
			continue
		}
		k.runner.log.Debug().Err(err).Str("account", account).Msg("cannot compare what is in force with what was ordered")
		if errors.Is(err, context.DeadlineExceeded) {
			return // there is no session, or it is slow: everything is due again
		}
		failed++ // the others are no worse for it
	}
	if !all {
		return
	}
	if k.failed++; failed == 0 {
		k.failed = 0
	}
	if !k.again && (failed == 0 || k.failed > failAtMost) {
		k.next = now.Add(compareEvery)
	}
}

// some are the next accounts in turn.
func (k *Keeper) some(accounts []string) (list []string) {
	for range min(looked, len(accounts)) {
		list = append(list, accounts[k.place%len(accounts)])
		k.place = (k.place + 1) % len(accounts)
	}
	return list
}

// wasReloaded says whether Asterisk has read its files since the last time.
func (k *Keeper) wasReloaded(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	at, err := k.options.Standing.ReloadedAt(ctx)
	if err != nil || at == k.reloaded {
		return false
	}
	k.reloaded = at
	if k.options.Reloaded != nil {
		k.options.Reloaded()
	}
	return true
}

func (k *Keeper) isolate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	moved, err := k.options.Standing.Isolate(ctx)
	if moved > 0 {
		k.runner.log.Info().Int("additions", moved).Msg("what was added to Asterisk's files for each extension is in a file of its own now")
	}
	if err != nil {
		k.runner.log.Error().Err(err).Msg("could not give each extension a file of its own")
	}
}

// finding is an order that needs something done.
type finding struct {
	order orders.Order
	do    orders.Action
	why   string
}

// compare looks at one account and does what is needed. An error says that Asterisk could
// not be asked.
func (k *Keeper) compare(ctx context.Context, account string, read func(context.Context, string) (orders.Live, error)) error {
	r := k.runner
	busy := false
	if r.owner.With(func() { busy = r.busy[account] > 0 }); busy {
		return nil
	}
	now := time.Now()
	asking, cancel := context.WithTimeout(ctx, readWithin)
	live, err := read(asking, account)
	cancel()
	if err != nil {
		return err
	}
	var found []finding
	again := false
	r.owner.With(func() {
		if r.busy[account] > 0 {
			return
		}
		observes := k.options.Observes != nil && k.options.Observes()
		for _, o := range r.state.Orders.Of(account) {
			if observes && o.Incident != 0 {
				continue
			}
			known := orders.Text(o.New) + "/" + orders.Text(o.Old)
			do, why := o.Decide(now, live)
			again = again || o.Settling(now)
			if orders.Text(o.New)+"/"+orders.Text(o.Old) != known { // what could not be read before
				r.putOrder(o)
			}
			if broken := o.State.Broken(); do == orders.Hold && o.Held(now) {
				r.putOrder(o)
				k.options.Tell(News{Order: *o, Detail: "in force again", Alarm: broken})
			}
			if do == orders.Stop && o.Stopped(now, why) {
				k.stopped(o)
			}
			if o.State.Broken() || do > orders.Stop || do == orders.Repair {
				found = append(found, finding{*o, do, why})
			}
		}
	})
	k.again = k.again || again
	for _, f := range found {
		k.act(ctx, f)
	}
	return nil
}

// stopped has the daemon itself do what it can of an order that Asterisk does not keep. The
// caller holds the lock.
func (k *Keeper) stopped(o *orders.Order) {
	r := k.runner
	if o.Kind == orders.Lock {
		r.enforce(o.Account)
	}
	r.putOrder(o)
	k.options.Tell(News{Order: *o, Alarm: true})
}

func (k *Keeper) act(ctx context.Context, f finding) {
	switch f.do {
	case orders.Repair:
		k.repair(ctx, f)
	case orders.End:
		k.end(f)
	case orders.RemoveTraces:
		k.removeTraces(ctx, f)
	}
	if broken := k.current(f.order.Key()); broken != nil && broken.State.Broken() && broken.Kind != orders.Lock {
		k.evict(ctx, f.order.Account, f.order.Certain())
	}
}

// current is a copy of an order as it stands; nil if it does not.
func (k *Keeper) current(key orders.Key) (o *orders.Order) {
	k.runner.owner.With(func() {
		if is := k.runner.state.Orders.Get(key.Account, key.Kind); is != nil {
			c := *is
			o = &c
		}
	})
	return o
}

// repair puts back what another program undid.
func (k *Keeper) repair(ctx context.Context, f finding) {
	r, account := k.runner, f.order.Account
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	if f.order.Kind == orders.Rotate && len(f.order.New) == 0 {
		k.retryRotation(ctx, f)
		return
	}
	end, still := r.beginRepair(f.order.Key())
	if !still {
		return // a person has just ended it, or is about to
	}
	detail, err := k.putBack(ctx, &f.order)
	var fresh []orders.Fingerprint
	if f.order.Kind == orders.Rotate {
		fresh = r.passwords(ctx, account)
	}
	var n News
	r.owner.With(func() {
		o, now := r.state.Orders.Get(account, f.order.Kind), time.Now()
		if o == nil {
			return
		}
		if err != nil {
			n.Alarm = o.Failed(now, fmt.Errorf("%s, and could not be put back: %w", f.why, err))
			if o.Kind == orders.Lock {
				r.enforce(account)
			}
		} else {
			n.Alarm = o.State.Broken() // a person was told that it was not in force
			o.Repaired(now, f.why)
			if o.Kind == orders.Rotate {
				o.Restored(fresh, maxOld)
			}
		}
		r.putOrder(o)
		n.Order, n.Detail = *o, detail
	})
	end()
	if n.Order.Account != "" && (err == nil || n.Alarm) {
		k.options.Tell(n)
	}
	if err == nil && f.order.Kind == orders.Rotate {
		k.evict(ctx, account, f.order.Certain()) // whoever came in with the old password meanwhile
	}
}

// retryRotation changes a password that could not be changed before.
func (k *Keeper) retryRotation(ctx context.Context, f finding) {
	r, account := k.runner, f.order.Account
	if err := k.options.Standing.Rotatable(ctx, account); err != nil {
		r.ordered(account, orders.Rotate, f.order.Incident, err, nil)
		return
	}
	detail, err := r.rotateOnce(ctx, account, f.order.Incident)
	if err != nil {
		if f.order.Incident == 0 { // else it is recorded
			r.ordered(account, orders.Rotate, 0, err, nil)
		}
		return // a person was told of it when it failed first
	}
	r.owner.With(func() {
		if o := r.state.Orders.Get(account, orders.Rotate); o != nil {
			o.Again(time.Now())
			r.putOrder(o)
		}
	})
	if o := k.current(f.order.Key()); o != nil {
		k.options.Tell(News{Order: *o, Detail: detail, Alarm: true})
	}
	k.evict(ctx, account, f.order.Certain())
}

func (k *Keeper) putBack(ctx context.Context, o *orders.Order) (detail string, err error) {
	r := k.runner
	switch o.Kind {
	case orders.Lock:
		var was string
		was, detail, err = r.accounts.Lock(ctx, o.Account)
		if was != "" && err == nil {
			r.keepLock(o.Account, was)
		}
		return detail, err
	case orders.Restrict:
		return r.accounts.Restrict(ctx, o.Account, ParseNetworks(o.Networks))
	default:
		return k.options.Standing.RestorePassword(ctx, o.Account)
	}
}

// end ends an order that a person has overruled.
func (k *Keeper) end(f finding) {
	r := k.runner
	var n News
	r.owner.With(func() {
		o := r.state.Orders.Get(f.order.Account, f.order.Kind)
		if o == nil {
			return
		}
		o.Finish(time.Now(), orders.Ended, f.why)
		r.putOrder(o)
		n = News{Order: *o, Alarm: true}
	})
	if n.Order.Account == "" {
		return
	}
	if f.order.Kind == orders.Rotate {
		n.Detail = r.owner.PasswordChanged(f.order.Account)
	}
	k.options.Tell(n)
}

// removeTraces ends the orders of an account that is gone.
func (k *Keeper) removeTraces(ctx context.Context, f finding) {
	r, account := k.runner, f.order.Account
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	defer r.begin(account)()
	detail, err := k.options.Standing.RemoveTraces(ctx, account)
	if err != nil {
		r.log.Error().Err(err).Str("account", account).Msg("could not remove what was added for an extension that is gone")
		return // it is tried again
	}
	var n News
	r.owner.With(func() {
		o := r.state.Orders.Get(account, f.order.Kind)
		if o == nil {
			return
		}
		o.Finish(time.Now(), orders.Gone, f.why)
		r.putOrder(o)
		switch o.Kind {
		case orders.Lock:
			r.state.Locks.Forget(account)
			r.ledger.DropHold(account, incident.HoldLock)
		case orders.Restrict:
			r.state.Restrictions.Ended(time.Now(), account, nil)
			r.ledger.DropHold(account, incident.HoldRestriction)
		}
		n = News{Order: *o, Detail: detail}
	})
	if n.Order.Account != "" {
		k.options.Tell(n)
	}
}

// evict ends what is used of an account from where it is not at home.
// since is when it was last certain that nobody else could use it.
func (k *Keeper) evict(ctx context.Context, account string, since time.Time) {
	r := k.runner
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	stranger := func(at netip.Addr) (is bool) {
		r.owner.With(func() { is = k.options.Stranger(time.Now(), since, account, at) })
		return is
	}
	removed, channels, err := k.options.Standing.Evict(ctx, account, stranger, func() (list []string) {
		r.owner.With(func() { list = slices.Clone(r.channels.Emergencies(account)) })
		return list
	})
	if removed > 0 || len(channels) > 0 {
		r.log.Warn().Str("account", account).Int("registrations", removed).Strs("channels", channels).Msg("ended what came from unknown places with a password that should not be valid")
	}
	if err != nil {
		r.log.Error().Err(err).Str("account", account).Msg("could not end what comes from unknown places")
	}
}

// enforce has the daemon itself end the calls of a locked account. The caller holds the lock.
func (r *Runner) enforce(account string) {
	if was, locked := r.state.Locks.Get(account); locked && !r.state.Locks.Enforced(account) {
		r.state.Locks.Restore(account, was+" "+partly)
		r.ledger.PutHold(incident.Hold{Account: account, Kind: incident.HoldLock, Value: was + " " + partly, Since: time.Now()})
	}
}

package responder

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// moody is a firewall that can refuse.
type moody struct {
	refuse   atomic.Bool
	batches  [][]Ban
	restored []Ban
}

var errRefused = errors.New("the table is lost")

func (m *moody) Ban(_ time.Time, bans []Ban) error {
	m.batches = append(m.batches, bans)
	if m.refuse.Load() {
		return errRefused
	}
	return nil
}

func (m *moody) drop(now time.Time, orders []order) error {
	bans := make([]Ban, len(orders))
	for i, o := range orders {
		bans[i] = o.ban
	}
	return m.Ban(now, bans)
}

func (m *moody) Restore(_ time.Time, bans []Ban) error {
	if m.refuse.Load() {
		return errRefused
	}
	m.restored = bans
	return nil
}

func startLane(t *testing.T, m *moody, inForce []Ban) (l *lane, mended *int) {
	mended = new(int)
	l = &lane{
		orders: make(chan order, maxDrops), drop: m.drop, restore: func(now time.Time) error { return m.Restore(now, inForce) },
		trouble: func(error) {}, mended: func() { *mended++ },
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return l, mended
}

// All that is queued goes to the kernel in one batch.
func TestLaneBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moody{}
		l := &lane{orders: make(chan order, maxDrops), drop: m.drop}
		outcomes := 0
		for range 100 {
			l.push(order{ban: Ban{Prefix: guesser}, done: func(err error) {
				if err == nil {
					outcomes++
				}
			}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		go l.run(ctx)
		synctest.Wait()
		cancel()
		if len(m.batches) != 1 || len(m.batches[0]) != 100 || outcomes != 100 {
			t.Errorf("%d batches, %d outcomes; want one batch of 100", len(m.batches), outcomes)
		}
	})
}

// A kernel that refuses gets the whole book again, every second, and what was
// refused is done when it takes it.
func TestLaneRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moody{}
		m.refuse.Store(true)
		book := []Ban{{Prefix: guesser}, {Prefix: netip.MustParsePrefix("203.0.113.0/24")}}
		l, mended := startLane(t, m, book)
		var outcomes []error
		l.push(order{ban: book[0], done: func(err error) { outcomes = append(outcomes, err) }})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(outcomes) != 1 || !errors.Is(outcomes[0], errRefused) || *mended != 0 {
			t.Fatalf("while the kernel refuses: outcomes %v, mended %d", outcomes, *mended)
		}
		m.refuse.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(m.restored) != 2 || *mended != 1 {
			t.Errorf("restored %v, mended %d times; want the whole book once", m.restored, *mended)
		}
		if len(outcomes) != 2 || outcomes[1] != nil {
			t.Errorf("outcomes %v; want the refused ban done in the end", outcomes)
		}
	})
}

// A lost table is restored at once; the ban that met it is done.
func TestLaneHealsALostTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &lostOnce{}
		book := []Ban{{Prefix: guesser}}
		mended := 0
		l := &lane{
			orders: make(chan order, 1), drop: m.drop, restore: func(now time.Time) error { return m.Restore(now, book) },
			trouble: func(error) {}, mended: func() { mended++ },
		}
		var outcome error = errors.New("none")
		l.push(order{ban: book[0], done: func(err error) { outcome = err }})
		ctx, cancel := context.WithCancel(t.Context())
		go l.run(ctx)
		synctest.Wait()
		cancel()
		if outcome != nil || mended != 1 {
			t.Errorf("outcome %v, mended %d; want done by one repair", outcome, mended)
		}
	})
}

type lostOnce struct{ moody }

func (m *lostOnce) drop(time.Time, []order) error { return errRefused }
func (m *lostOnce) Restore(_ time.Time, bans []Ban) error {
	m.restored = bans
	return nil
}

// A ban that found the lane full comes with a repair, though the kernel never
// refused anything.
func TestFullLaneLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moody{}
		book := []Ban{{Prefix: guesser}, {Prefix: netip.MustParsePrefix("203.0.113.0/24")}}
		l := &lane{
			orders: make(chan order, 1), drop: m.drop, restore: func(now time.Time) error { return m.Restore(now, book) },
			mended: func() {},
		}
		for i, want := range []bool{true, false} {
			if fits := l.push(order{ban: book[i], done: func(error) {}}); fits != want {
				t.Fatalf("order %d: %v", i, fits)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go l.run(ctx)
		time.Sleep(2 * repairEvery)
		synctest.Wait()
		cancel()
		if len(m.restored) != 2 {
			t.Errorf("restored %v, want the whole book", m.restored)
		}
	})
}

// walled is a firewall of which only Ban is asked.
type walled struct {
	Firewall
	moody *moody
}

func (w walled) Ban(now time.Time, bans []Ban) error { return w.moody.Ban(now, bans) }

// An order that was waiting when a person decided about its source changes
// nothing any more; one that came after it does.
func TestOverruledOrders(t *testing.T) {
	m := &moody{}
	r := &Responder{parts: Parts{Firewall: walled{moody: m}}, lane: &lane{pushed: 2}, overruled: map[netip.Prefix]uint64{}}
	other := netip.MustParsePrefix("203.0.113.0/24")
	waiting := []order{{ban: Ban{Prefix: guesser}, number: 1}, {ban: Ban{Prefix: other}, number: 2}}
	r.overrule(guesser)
	for _, batch := range [][]order{waiting, {{ban: Ban{Prefix: guesser}, number: 3}}} {
		if err := r.dropAll(time.Now(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.batches) != 2 || len(m.batches[0]) != 1 || m.batches[0][0].Prefix != other || len(m.batches[1]) != 1 {
		t.Errorf("dropped %v, want the other one, then the guesser", m.batches)
	}
	if len(r.overruled) > 0 {
		t.Errorf("still overruled: %v", r.overruled)
	}
}

// A ban that the kernel refused comes with a repair, also when it has taken
// another one since.
func TestRefusedBanIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moody{}
		m.refuse.Store(true)
		book := []Ban{{Prefix: guesser}, {Prefix: netip.MustParsePrefix("203.0.113.0/24")}}
		l, _ := startLane(t, m, book)
		l.push(order{ban: book[0], done: func(error) {}})
		synctest.Wait()
		m.refuse.Store(false)
		l.push(order{ban: book[1], done: func(error) {}})
		time.Sleep(2 * repairEvery)
		synctest.Wait()
		if len(m.restored) != 2 {
			t.Errorf("restored %v, want the whole book", m.restored)
		}
	})
}

// Who is stopped with a lane full of bans carries all of them, in as many
// batches as it takes.
func TestLaneEmptiesAtTheEnd(t *testing.T) {
	m := &moody{}
	l := &lane{orders: make(chan order, maxDrops), drop: m.drop}
	carried := 0
	for range maxDrops {
		l.push(order{ban: Ban{Prefix: guesser}, done: func(error) { carried++ }})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.run(ctx)
	if carried != maxDrops {
		t.Errorf("%d of %d bans carried", carried, maxDrops)
	}
}

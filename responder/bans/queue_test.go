package bans

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// queueOf is a queue to a kernel with a registry that holds these.
func queueOf(k *kernel, list ...incident.Ban) *KernelQueue {
	return NewKernelQueue(k, func(time.Time) []incident.Ban { return append([]incident.Ban(nil), list...) }, zerolog.Nop())
}

var twoBans = []incident.Ban{{Prefix: guesser}, {Prefix: another}}

func ignore(error) {}

// All that is queued goes to the kernel in one batch.
func TestQueueBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		q, outcomes := queueOf(k), 0
		for i := range 100 {
			q.Ban(incident.Ban{Prefix: address(i)}, func(err error) {
				if err == nil {
					outcomes++
				}
			})
		}
		runQueue(t, q)
		synctest.Wait()
		if fmt.Sprint(k.batches) != "[100]" || outcomes != 100 {
			t.Errorf("batches %v, %d outcomes; want one batch of 100", k.batches, outcomes)
		}
	})
}

// Bans, releases and reconciles reach the kernel in the order in which they were
// decided.
func TestQueueKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		q := queueOf(k, twoBans...)
		var outcomes []string
		done := func(what string) func(error) {
			return func(err error) { outcomes = append(outcomes, fmt.Sprint(what, " ", err)) }
		}
		q.Ban(incident.Ban{Prefix: guesser}, done("ban"))
		q.Release([]netip.Prefix{guesser}, done("release"))
		q.Ban(incident.Ban{Prefix: guesser, Until: noon}, done("again"))
		q.Ban(incident.Ban{Prefix: guessers}, done("network"))
		q.push(change{done: done("reconcile")})
		q.Release([]netip.Prefix{another}, done("last"))
		runQueue(t, q)
		synctest.Wait()
		want := "ban 192.0.2.66/32; release 192.0.2.66/32; ban 192.0.2.66/32 192.0.2.0/24; reconcile 192.0.2.66/32 203.0.113.9/32; release 203.0.113.9/32"
		if got := k.story(); got != want {
			t.Errorf("the kernel was asked\n     %s\nwant %s", got, want)
		}
		if got := fmt.Sprint(outcomes); got != "[ban <nil> release <nil> again <nil> network <nil> reconcile <nil> last <nil>]" {
			t.Errorf("outcomes %s", got)
		}
	})
}

// Whatever is banned and released in whatever order, the kernel ends up as the
// registry is, refusals included.
func TestKernelEndsUpAsTheRegistry(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			s := newSite()
			s.run(t)
			for range 200 {
				p := address(random.IntN(5))
				switch random.IntN(8) {
				case 0, 1, 2:
					s.ban(t, incident.Ban{Prefix: p, Since: time.Now(), Until: time.Now().Add(time.Duration(1+random.IntN(48)) * time.Hour)})
				case 3, 4:
					s.With(func() {
						s.Registry.Remove(p)
						s.Queue.Release([]netip.Prefix{p}, ignore)
					})
				case 5:
					s.kernel.set(random.IntN(2) == 0, random.IntN(2) == 0)
				case 6:
					time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
				case 7:
					synctest.Wait()
				}
			}
			s.kernel.set(false, false)
			time.Sleep(2 * retryEvery)
			synctest.Wait()
			got, want := s.kernel.Bans(noon), s.Registry.List(time.Now())
			if sorted(prefixes(got)) != sorted(prefixes(want)) {
				t.Errorf("seed %d: dropped are %s, want %s", seed, sorted(prefixes(got)), sorted(prefixes(want)))
			}
			for _, b := range want {
				if s.kernel.dropped[b.Prefix].Until != b.Until {
					t.Errorf("seed %d: %s is dropped %s, want %s", seed, b.Prefix, s.kernel.dropped[b.Prefix].UntilText(), b.UntilText())
				}
			}
		})
	}
}

// A kernel that refuses gets the whole registry again, every second, and what
// was refused is done when it takes it.
func TestRefusedBanIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		k.set(true, true)
		q := queueOf(k, twoBans...)
		runQueue(t, q)
		var outcomes []error
		q.Ban(twoBans[0], func(err error) { outcomes = append(outcomes, err) })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(outcomes) != 1 || !errors.Is(outcomes[0], errLost) || k.drops() != "" {
			t.Fatalf("while the kernel refuses: outcomes %v, dropped %s", outcomes, k.drops())
		}
		k.set(false, false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if k.drops() != sorted(prefixes(twoBans)) {
			t.Errorf("dropped %s; want all of the registry", k.drops())
		}
		if len(outcomes) != 2 || outcomes[1] != nil {
			t.Errorf("outcomes %v; want the refused ban done in the end", outcomes)
		}
		asked := len(k.asked)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(k.asked) != asked {
			t.Errorf("the kernel is asked on and on: %v", k.asked[asked:])
		}
	})
}

// A lost table is reconciled at once; the ban that met it is done.
func TestLostTableIsReconciled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		k.set(true, false)
		q := queueOf(k, twoBans...)
		var outcomes []error
		q.Ban(twoBans[0], func(err error) { outcomes = append(outcomes, err) })
		runQueue(t, q)
		synctest.Wait()
		if fmt.Sprint(outcomes) != "[<nil>]" || k.story() != "ban 192.0.2.66/32; reconcile 192.0.2.66/32 203.0.113.9/32" {
			t.Errorf("outcomes %v, asked %s; want done by one reconcile", outcomes, k.story())
		}
	})
}

// A ban that found the queue full comes with a reconcile, though the kernel
// never refused anything.
func TestFullQueueLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		q := queueOf(k, twoBans...)
		q.changesC = make(chan change, 1)
		for i, want := range []bool{true, false} {
			if fits := q.Ban(twoBans[i], ignore); fits != want {
				t.Fatalf("ban %d: %v", i, fits)
			}
		}
		if err := q.Reconcile(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("a reconcile fits: %v", err)
		}
		runQueue(t, q)
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		if k.drops() != sorted(prefixes(twoBans)) {
			t.Errorf("dropped %s, want all of the registry", k.drops())
		}
	})
}

// A ban that the kernel refused comes with a reconcile, also when it has taken
// another one since.
func TestRefusedBanIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		k.set(true, true)
		q := queueOf(k, twoBans...)
		runQueue(t, q)
		q.Ban(twoBans[0], ignore)
		synctest.Wait()
		k.set(false, false)
		q.Ban(twoBans[1], ignore)
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		if k.drops() != sorted(prefixes(twoBans)) {
			t.Errorf("dropped %s, want all of the registry", k.drops())
		}
	})
}

// A queue that is stopped while full carries all of it, in as many batches as it
// takes.
func TestQueueEmptiesAtTheEnd(t *testing.T) {
	k := newKernel()
	q, carried := queueOf(k), 0
	for range maxQueued {
		q.Ban(incident.Ban{Prefix: guesser}, func(error) { carried++ })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.Run(ctx)
	if carried != maxQueued || len(k.batches) != maxQueued/maxBatch {
		t.Errorf("%d of %d bans carried, in %d batches", carried, maxQueued, len(k.batches))
	}
}

func TestReconcileWaitsForTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel(incident.Ban{Prefix: guessers})
		q := queueOf(k, twoBans...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Reconcile(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without Run: %v", err)
		}
		runQueue(t, q)
		if err := q.Reconcile(t.Context()); err != nil || k.drops() != sorted(prefixes(twoBans)) {
			t.Errorf("dropped %s, %v", k.drops(), err)
		}
		k.set(false, true)
		if err := q.Reconcile(t.Context()); !errors.Is(err, errLost) {
			t.Errorf("a broken kernel: %v", err)
		}
	})
}

// A full table takes what fits of a batch, and the rest once there is room.
func TestFullTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		k.room = 1
		var held atomic.Pointer[[]incident.Ban]
		held.Store(&twoBans)
		q := NewKernelQueue(k, func(time.Time) []incident.Ban { return slices.Clone(*held.Load()) }, zerolog.Nop())
		outcomes := map[netip.Prefix][]error{}
		for _, b := range twoBans {
			q.Ban(b, func(err error) { outcomes[b.Prefix] = append(outcomes[b.Prefix], err) })
		}
		runQueue(t, q)
		synctest.Wait()
		if got := outcomes[guesser]; len(got) != 1 || got[0] != nil {
			t.Errorf("the one that fits: %v", got)
		}
		if got := outcomes[another]; len(got) != 1 || !errors.Is(got[0], ErrFull) || !q.Full() {
			t.Errorf("the one that does not fit: %v, full %t", got, q.Full())
		}
		left := twoBans[1:] // the other one has ended
		held.Store(&left)
		time.Sleep(roomEvery + time.Second)
		synctest.Wait()
		if got := outcomes[another]; k.drops() != another.String() || len(got) != 2 || got[1] != nil || q.Full() {
			t.Errorf("after a minute: dropped %s, %v, full %t", k.drops(), got, q.Full())
		}
	})
}

package test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// trunk sends forbidden numbers to a phone, as a dialplan sends them to a
// carrier. For 00882 it waits a moment first, as reference.toml advises; for 00883
// long enough for any machine.
const trunk = `[internal](+)
exten => _00881X.,1,Dial(${TECHNOLOGY}/1003,30)
 same => n,Hangup()
exten => _00882X.,1,Wait(0.1)
 same => n,Dial(${TECHNOLOGY}/1003,30)
 same => n,Hangup()
exten => _00883X.,1,Wait(1)
 same => n,Dial(${TECHNOLOGY}/1003,30)
 same => n,Hangup()
`

// onlyForbidden ends forbidden calls but never bans, so that there are many to
// count.
const onlyForbidden = `
[[threshold]]
name = "forbidden destination"
per = "account"
signals = { ForbiddenDestination = 1 }
score = 1
within = "1m"
playbook = "end call"
[[playbook]]
name = "end call"
steps = ["hangup-call"]
`

// A forbidden call is ended on its Newchannel event: before a trunk answers that
// needs a second for it, as international ones do, and before the trunk is dialled
// at all where the dialplan waits that long. A tenth of a second is usually enough
// too, but not on a busy machine; and a trunk that answers at once, as only one on
// the same machine can, races with the hangup. How often these win is logged, not
// asserted.
func TestForbiddenCallsAreEnded(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Version: v, Append: map[string]string{"extensions.conf": trunk}})
			w := guardWith(t, l, onlyForbidden)
			carrier := addPhone(t, addHost(t, l, "carrier", "203.0.113.200"), "1003")
			register(t, carrier)
			var billed atomic.Int64
			go func() {
				for range carrier.Incoming() {
					billed.Add(1)
				}
			}()
			p := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1002")
			register(t, p)
			for _, way := range []struct {
				name, number string
				ring         time.Duration
				certain      bool
			}{
				{"a trunk that answers at once", "00881612345678", 0, false},
				{"a trunk that answers after 100 ms", "00881612345678", 100 * time.Millisecond, false},
				{"a trunk that answers after 1 s", "00881612345678", time.Second, true},
				{"a dialplan that waits 100 ms, a trunk that answers at once", "00882612345678", 0, false},
				{"a dialplan that waits 1 s, a trunk that answers at once", "00883612345678", 0, true},
			} {
				carrier.Ring(way.ring)
				billed.Store(0)
				const calls = 30
				connected := 0
				for range calls {
					if _, err := p.Call(soon(t), way.number); err == nil {
						connected++
					}
				}
				w.wait("the end of every forbidden call", 5*time.Second, func() bool { return w.channels("1002") == 0 && w.channels("1003") == 0 })
				t.Logf("%s: of %d calls it answered %d, and %d reached the caller", way.name, calls, billed.Load(), connected)
				if way.certain && billed.Load() > 0 {
					t.Errorf("%s: %d of %d forbidden calls were answered", way.name, billed.Load(), calls)
				}
			}
			if call, err := p.Call(soon(t), "00442079460001"); err != nil {
				t.Errorf("an ordinary call of the same phone: %v", err)
			} else if up, err := call.Alive(soon(t)); err != nil || !up {
				t.Errorf("an ordinary call of the same phone: alive %v, %v", up, err)
			}
		})
	}
}

// A thief with the right password makes calls as fast as Asterisk accepts them.
// With the default rules, all are ended within seconds.
func TestLeakedPassword(t *testing.T) {
	t.Parallel()
	for _, rogue := range []int{1, 20, 100} {
		t.Run(fmt.Sprint(rogue, " calls"), func(t *testing.T) {
			t.Parallel()
			onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
				colleague := officeInACall(t, l)
				owner := addPhone(t, addHost(t, l, "desk", "198.51.100.11"), "1002")
				register(t, owner)
				w := guardWith(t, l, "")
				thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var all sync.WaitGroup
				var answered atomic.Int64
				start := time.Now()
				for i := range rogue {
					number := fmt.Sprintf("0044207946%04d", i)
					if rogue == 1 {
						number = "00881612345678"
					}
					all.Go(func() {
						if _, err := thief.Call(ctx, number); err == nil {
							answered.Add(1)
						}
					})
				}
				name := "forbidden destination"
				if rogue > 1 {
					name = "faster than a person dials"
				}
				var over time.Duration
				w.wait("the incident's end", 20*time.Second, func() bool { return w.settled(name) })
				w.wait("no channel of 1002", 10*time.Second, func() bool { return w.channels("1002") == 0 })
				over = time.Since(start)
				cancel()
				all.Wait()
				w.wait("no channel of 1002", 5*time.Second, func() bool { return w.channels("1002") == 0 })
				t.Logf("%d rogue calls: %d answered; from the first INVITE to the last rogue channel down %s at most", rogue, answered.Load(), over.Round(time.Millisecond))
				if rogue > 1 {
					if !w.dropped(guesserAddress + "/32") {
						t.Error("the thief is not dropped")
					}
					w.contained(t, thief)
				}
				colleague.untouched(t, w)
				if t.Failed() {
					w.logSteps(t)
				}
			})
		})
	}
}

// A thief whose calls are all ended before Asterisk can be asked for their source is
// dropped all the same: with chan_sip only the challenge names the source.
func TestEndedCallsGiveTheThiefAway(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		colleague := officeInACall(t, l)
		w := guardWith(t, l, "")
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, _ = thief.Call(ctx, "00881612345678") // ended, answered or dropped: all is fine
			cancel()
		}
		w.wait("the incident's end", 10*time.Second, func() bool { return w.settled("toll fraud") })
		if !w.dropped(guesserAddress + "/32") {
			t.Error("the thief is not dropped")
		}
		w.contained(t, thief)
		colleague.untouched(t, w)
		w.logSteps(t)
	})
}

// A dormant account is used from a new network to call a new country: one call is
// enough.
func TestDormantAccountWakes(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		owner := addPhone(t, addHost(t, l, "desk", "198.51.100.11"), "1002")
		register(t, owner)
		w := guardWith(t, l, "[calls]\ndormant = \"2s\"\nlearn = \"1s\"\n")
		time.Sleep(2500 * time.Millisecond)
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		register(t, thief)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, _ = thief.Call(ctx, "0037160000000") // ended, answered or dropped: all is fine
		cancel()
		w.wait("the incident's end", 15*time.Second, func() bool { return w.settled("toll fraud") })
		w.wait("no channel of 1002", 5*time.Second, func() bool { return w.channels("1002") == 0 })
		w.contained(t, thief)
	})
}

// Calls abroad without a login are ended, and their source is dropped.
func TestAnonymousCalls(t *testing.T) {
	t.Parallel()
	open := map[lab.Version]map[string]string{
		lab.Asterisk22: {"pjsip.conf": "[anonymous](phone)\n"},
		lab.Asterisk16: {"sip.conf": "[general](+)\nallowguest = yes\ncontext = internal\n"},
	}
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Version: v, Append: open[v]})
			w := guardWith(t, l, "")
			caller, err := addHost(t, l, "caller", guesserAddress).Phone("caller", "none", lab.PhoneOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = caller.Close() })
			for i := range 4 {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, _ = caller.Call(ctx, fmt.Sprintf("003314268530%d", i))
				cancel()
			}
			w.wait("the caller to be dropped", 5*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
			w.wait("the end of every call", 5*time.Second, func() bool {
				out, err := l.CLI(t.Context(), "core show channels count")
				return err == nil && len(out) > 0 && out[0] == '0'
			})
			w.logSteps(t)
		})
	}
}

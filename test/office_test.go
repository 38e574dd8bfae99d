package test

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// The default rules leave an ordinary office alone: colleagues register again and
// again, call each other and abroad.
func TestDefaultsLeaveAnOfficeAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, l *lab.Lab) {
		t.Parallel() // it mostly waits
		w := guardWith(t, l, "")
		caller := addPhone(t, addHost(t, l, "desk", "198.51.100.10"), "1001")
		colleague := addPhone(t, addHost(t, l, "other-desk", "198.51.100.11"), "1003")
		register(t, caller)
		register(t, colleague)
		for _, number := range []string{"1003", "00442079460001", "00442079460002", "1003"} {
			call, err := caller.Call(soon(t), number)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond) // a person dials no faster
			if err := call.Hangup(soon(t)); err != nil {
				t.Error(err)
			}
			register(t, colleague)
		}
		for _, i := range w.incidents() {
			t.Errorf("an incident: %+v", i)
		}
		if s, err := w.client().Status(t.Context()); err != nil || s.Counters["observations"] == 0 {
			t.Errorf("the daemon saw nothing: %+v, %v", s.Counters, err)
		}
	})
}

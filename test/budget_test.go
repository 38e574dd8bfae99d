package test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// tight is a budget that two calls abroad use up, since each counts for a minute.
const tight = `
[calls]
country = "GB"
learn = "1s"
[calls.budget]
minutes = [0, 2]
site = { minutes = [0, 0], money = [0, 0] }
`

// Two calls abroad use up an extension's budget: they are ended, and so is the next one,
// but no call within the country. After an unlock calls abroad stay up.
func TestBudget(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, tight)
		p := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1002")
		register(t, p)
		time.Sleep(1100 * time.Millisecond) // until the first days are over
		at := time.Now()
		first, err := p.Call(soon(t), "0040211234567")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		home, err := p.Call(soon(t), "00442079460001")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		second, err := p.Call(soon(t), "0040211234568")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*lab.Call{first, second} {
			select {
			case <-c.Ended():
			case <-time.After(10 * time.Second):
				t.Fatal("a call abroad is still up")
			}
		}
		t.Logf("ended %s after the first call", time.Since(at).Round(time.Millisecond))
		if up, err := home.Alive(soon(t)); err != nil || !up {
			t.Errorf("the call within the country: alive %v, %v", up, err)
		}
		if third, err := p.Call(soon(t), "0040211234569"); err == nil {
			select {
			case <-third.Ended():
			case <-time.After(3 * time.Second):
				t.Error("the third call abroad is still up")
			}
		}
		s, err := w.client().Spending(soon(t))
		if err != nil || len(s.Blocked) != 1 || s.Blocked[0].Account != "1002" {
			t.Errorf("spending %+v, %v", s, err)
		}
		var reason string
		for _, i := range w.incidents() {
			if crosses(i, "budget used up") {
				reason = i.Reason
			}
		}
		if !strings.Contains(reason, "2 minutes in 2 calls, about 1.00 EUR (an estimate at default rates)") {
			t.Errorf("reason %q", reason)
		}
		if out, err := w.tollwarden("spending", "--socket", w.socket()); err != nil || !strings.Contains(out, "1002") {
			t.Errorf("%s: %v", out, err)
		} else {
			t.Log(out)
		}
		if _, err := w.client().Unlock(soon(t), control.AccountOrder{Account: "1002"}); err != nil {
			t.Fatal(err)
		}
		fourth, err := p.Call(soon(t), "0040211234569")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if up, err := fourth.Alive(soon(t)); err != nil || !up {
			t.Errorf("a call abroad after the unlock: alive %v, %v", up, err)
		}
	})
}

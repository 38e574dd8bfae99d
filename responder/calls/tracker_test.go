package calls_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/places"
)

func TestChannelsOfAnAccount(t *testing.T) {
	tr := calls.New()
	tr.Up(calls.Channel{Name: "PJSIP/1002-00000001", Account: "1002"})
	tr.Up(calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002"})
	tr.Up(calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002"}) // reported twice
	tr.Up(calls.Channel{Name: "PJSIP/1001-00000003", Account: "1001"})
	want := func(account string, n int) {
		t.Helper()
		if got := tr.Account(account); got != n {
			t.Errorf("%s has %d channels, want %d", account, got, n)
		}
	}
	want("1002", 2)
	want("1001", 1)
	if up := tr.Of("1002"); len(up) != 2 || len(tr.Of("1009")) != 0 {
		t.Errorf("1002 has %+v up", up)
	}
	if c, ok := tr.Down("PJSIP/1002-00000001"); !ok || c.Account != "1002" {
		t.Errorf("Down = %+v, %v", c, ok)
	}
	if _, ok := tr.Down("PJSIP/1002-00000001"); ok {
		t.Error("a channel went down twice")
	}
	want("1002", 1)

	// After a gap, Asterisk's list wins.
	tr.ApplySnapshot([]calls.Channel{{Name: "PJSIP/1003-00000009", Account: "1003"}})
	want("1002", 0)
	want("1001", 0)
	want("1003", 1)
	if tr.Len() != 1 {
		t.Errorf("%d channels up, want 1", tr.Len())
	}
}

// Events that arrive during a snapshot are newer than the snapshot.
func TestEventsTakePrecedenceOverSnapshot(t *testing.T) {
	tr := calls.New()
	tr.Up(calls.Channel{Name: "PJSIP/1001-00000001", Account: "1001"}) // its end is lost in the gap
	tr.BeginSnapshot()
	tr.Up(calls.Channel{Name: "PJSIP/1002-00000003", Account: "1002"})
	tr.Up(calls.Channel{Name: "PJSIP/1002-00000004", Account: "1002"})
	tr.Down("PJSIP/1002-00000004")
	tr.Down("PJSIP/1003-00000002")
	tr.ApplySnapshot([]calls.Channel{
		{Name: "PJSIP/1003-00000002", Account: "1003"},
		{Name: "PJSIP/1002-00000004", Account: "1002"},
	})
	for account, want := range map[string]int{"1001": 0, "1002": 1, "1003": 0} {
		if got := tr.Account(account); got != want {
			t.Errorf("%s has %d channels, want %d", account, got, want)
		}
	}
}

// A call costs money from its first answer; if that was not observed, from its start.
func TestAnswered(t *testing.T) {
	d := calls.NewDetector(noon, calls.Rules{}, places.New(places.Config{}, nil))
	for _, name := range []string{"PJSIP/1001-00000001", "PJSIP/1001-00000002"} {
		d.Up(calls.Channel{Name: name, Account: "1001", Since: noon})
	}
	d.Answer(noon.Add(3*time.Second), "PJSIP/1001-00000001")
	d.Answer(noon.Add(9*time.Second), "PJSIP/1001-00000001")
	d.Answer(noon, "PJSIP/1001-00000009") // never seen
	d.ApplySnapshot(noon, []calls.Channel{
		{Name: "PJSIP/1001-00000001", Account: "1001", Since: noon, Answered: noon},
		{Name: "PJSIP/1001-00000002", Account: "1001", Since: noon.Add(time.Second), Answered: noon.Add(time.Second)},
		{Name: "PJSIP/1001-00000003", Account: "1001", Since: noon, Answered: noon},
	})
	for name, want := range map[string]time.Time{"PJSIP/1001-00000001": noon.Add(3 * time.Second), "PJSIP/1001-00000002": noon, "PJSIP/1001-00000003": noon} {
		if c, ok := d.Down(name); !ok || !c.Answered.Equal(want) {
			t.Errorf("%s was answered at %v, want %v", name, c.Answered, want)
		}
	}
}

func TestLegsAreBounded(t *testing.T) {
	tr := calls.New()
	tr.Up(calls.Channel{Name: "PJSIP/1002-00000001", Account: "1002", Calling: true})
	for i := range 200_010 {
		tr.Dial("PJSIP/1002-00000001", fmt.Sprintf("DAHDI/%d-1", i))
	}
	if tr.Refused() != 11 {
		t.Errorf("%d refused", tr.Refused())
	}
	tr.ApplySnapshot(nil)
	if tr.Stray("DAHDI/1-1") {
		t.Error("a leg outlived the snapshot")
	}
}

func TestChannelsAreBounded(t *testing.T) {
	tr := calls.New()
	for i := range 100_010 {
		tr.Up(calls.Channel{Name: fmt.Sprintf("PJSIP/1-%08x", i), Account: "1"})
	}
	if tr.Len() != 100_000 || tr.Refused() != 10 {
		t.Errorf("%d tracked, %d refused", tr.Len(), tr.Refused())
	}
}

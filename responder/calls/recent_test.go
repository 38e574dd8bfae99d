package calls_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

func TestRecentCalls(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var r calls.Recent
	end := func(n int, account string) {
		r.Add(calls.Channel{Name: fmt.Sprintf("PJSIP/%s-%08x", account, n), Account: account}, noon.Add(time.Duration(n)*time.Second))
	}
	end(1, "1002")
	end(2, "1001")
	end(3, "1002")
	if got := r.Of("1002", noon); len(got) != 2 || got[1].At != noon.Add(3*time.Second) {
		t.Errorf("calls of 1002: %+v", got)
	}
	if got := r.Of("1002", noon.Add(2*time.Second)); len(got) != 1 {
		t.Errorf("calls of 1002 from two seconds past noon: %+v", got)
	}
	// Many calls of another account replace the oldest ones; memory does not grow.
	for n := range 8192 {
		end(10+n, "1009")
	}
	if got := len(r.Of("1002", noon)); got != 0 {
		t.Errorf("%d calls outlived the bound", got)
	}
	if got := len(r.Of("1009", noon)); got != 8192 {
		t.Errorf("%d calls remembered, want 8192", got)
	}
}

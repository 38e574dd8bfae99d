package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tollwarden/tollwarden/responder/control"
)

// systemd's watchdog is fed exactly where a restart could not help.
func TestWatchdogIsFed(t *testing.T) {
	unsent := fmt.Errorf("the canary could not be sent: %w", errors.New("connection refused"))
	for name, tt := range map[string]struct {
		kernel, events bool
		canary         error
		fed            bool
	}{
		"all is well":               {true, true, nil, true},
		"the table does not drop":   {false, true, nil, false},
		"no canary comes through":   {true, true, unsent, false},
		"Asterisk is not there":     {true, false, unsent, true},
		"the session is deaf":       {true, true, errDeaf, false},
		"a deaf session was closed": {true, false, errDeaf, false},
	} {
		checks := []control.Check{{Name: "kernel", OK: tt.kernel}, {Name: "events", OK: tt.events}, {Name: "canary", OK: tt.canary == nil}}
		if fed := alive(checks, tt.canary); fed != tt.fed {
			t.Errorf("%s: fed %v, want %v", name, fed, tt.fed)
		}
	}
}

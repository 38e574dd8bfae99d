package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/firewall"
)

// A repair that fails is told as one that failed, and is none.
func TestRepairThatFails(t *testing.T) {
	for name, refused := range map[string]error{"restored": nil, "refused": errors.New("no buffer space")} {
		var log bytes.Buffer
		var alarms []alarm
		s := newSentry(time.Minute, firewall.NewMemory(firewall.Config{}), zerolog.New(&log))
		s.restore = func(time.Time) error { return refused }
		s.tell = func(a alarm) { alarms = append(alarms, a) }
		if err := s.repair(time.Now(), []string{"a rule is gone"}); !errors.Is(err, refused) {
			t.Errorf("%s: %v", name, err)
		}
		state, _ := s.watched()
		done := refused == nil
		if (state.repairs == 1) != done || (len(alarms) == 1) != done || strings.Contains(log.String(), "restored with") != done {
			t.Errorf("%s: %d repairs, %d alarms, log %s", name, state.repairs, len(alarms), &log)
		}
	}
}

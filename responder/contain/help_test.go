package contain

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A locked account is let call for help at once, and again and again as long as it is
// locked, since Asterisk forgets; not one that Asterisk could not lock. A lock that leaves
// no help is a lock all the same, and says so.
func TestLockedAccountsCallForHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(RestrictRule{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Runner.Run(ctx) }()
		const help = "help [112 999] map[1002:PJSIP=internal]"
		time.Sleep(time.Minute + time.Second)
		if got := s.pbx.asked(); got != "" {
			t.Errorf("nobody is locked: %s", got)
		}
		s.pbx.was = []string{"PJSIP=internal", ""}
		s.pbx.fail("help", errors.New("no permission"))
		if detail, err := s.Lock(t.Context(), "1002", 7); err != nil || !strings.HasSuffix(detail, "1002 cannot call emergency numbers: no permission") || s.pbx.times(help) != 1 {
			t.Errorf("%s, %v: %s", detail, err, s.pbx.asked())
		}
		s.pbx.fail("help", nil)
		s.pbx.fail("lock", errors.New("no connection"))
		if _, err := s.Lock(t.Context(), "1003", 7); err == nil {
			t.Error("1003 is locked")
		}
		time.Sleep(30 * time.Second)
		if n := s.pbx.times(help); n != 7 {
			t.Errorf("helped %d times", n)
		}
		if _, err := s.Unlock(t.Context(), "1002", 7); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if n := s.pbx.times(help); n != 7 {
			t.Errorf("helped %d times after the end of the lock", n)
		}
		cancel()
		synctest.Wait()
	})
}

package responder

import (
	"context"
	"errors"
	"testing"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// generous is a PBX that gives back what was taken.
type generous struct{ PBX }

func (generous) Lock(context.Context, string) (string, string, error) {
	return "PJSIP=internal", "locked", nil
}

func (generous) Unlock(context.Context, string, string) (string, error) { return "unlocked", nil }

// Mode observe ends no call of an account that mode enforce had locked, and a
// person can unlock it there.
func TestLockedAccountInModeObserve(t *testing.T) {
	for _, observe := range []bool{false, true} {
		r := still(t, Policy{Observe: observe}, Parts{PBX: generous{}})
		r.locked["1002"] = "" // Asterisk could not be told
		r.mu.Lock()
		r.called(noon, calls.Channel{Name: "PJSIP/1002-00000001", Account: "1002", Since: noon})
		r.mu.Unlock()
		if ends := len(r.endings) == 1; ends == observe {
			t.Errorf("observe %t: the call is ended: %t", observe, ends)
		}
		if _, err := r.Unlock(t.Context(), "1002", 0); err != nil {
			t.Errorf("observe %t: %v", observe, err)
		}
		if _, err := r.Lock(t.Context(), "1002", 0); observe && !errors.Is(err, ErrRefused) {
			t.Errorf("locked in mode observe: %v", err)
		}
	}
}

// half is a PBX that takes a lock on one of its two channel drivers, and on the
// other the second time.
type half struct {
	PBX
	tries    int
	unlocked string
}

func (h *half) Lock(context.Context, string) (string, string, error) {
	if h.tries++; h.tries == 1 {
		return "PJSIP=internal", "", errors.New("the peer has no section in sip.conf")
	}
	return "SIP=office", "locked", nil
}

func (h *half) Unlock(_ context.Context, _, was string) (string, error) {
	h.unlocked = was
	return "unlocked", nil
}

// Of an account that is locked in part the daemon ends the calls, until a second
// lock takes the rest; its end gives everything back.
func TestLockInPart(t *testing.T) {
	pbx := &half{}
	r := still(t, Policy{}, Parts{PBX: pbx})
	for _, fails := range []bool{true, false} {
		if _, err := r.Lock(t.Context(), "1002", 0); (err != nil) != fails {
			t.Errorf("lock: %v", err)
		}
		r.mu.Lock()
		r.called(noon, calls.Channel{Name: "SIP/1002-00000001", Account: "1002", Since: noon})
		r.mu.Unlock()
		if ended := len(r.endings) == 1; ended != fails {
			t.Errorf("locked in part %t: the call is ended: %t", fails, ended)
		}
		for len(r.endings) > 0 {
			<-r.endings
		}
	}
	if _, err := r.Unlock(t.Context(), "1002", 0); err != nil || pbx.unlocked != "PJSIP=internal SIP=office" {
		t.Errorf("unlocked with %q, %v", pbx.unlocked, err)
	}
	pbx.tries = 0
	_, _ = r.Lock(t.Context(), "1002", 0)
	if _, err := r.Unlock(t.Context(), "1002", 0); err != nil || pbx.unlocked != "PJSIP=internal" {
		t.Errorf("one in part is unlocked with %q, %v", pbx.unlocked, err)
	}
}

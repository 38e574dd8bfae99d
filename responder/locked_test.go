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

package responder

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// stubborn is a PBX that takes no restriction away.
type stubborn struct{ PBX }

func (stubborn) Lift(context.Context, string, []netip.Prefix) (string, error) {
	return "", errors.New("read-only file system")
}

// What could not be lifted is never told as lifted: neither what stands there,
// which is tried again, nor what is given up after a day.
func TestRestrictionThatCannotBeLifted(t *testing.T) {
	for name, tt := range map[string]struct {
		x    restriction
		says string
		kept bool
	}{
		"it stands":                     {restriction{up: true, since: time.Now().Add(-2 * longestStorm)}, "tried again", true},
		"it may stand":                  {restriction{since: time.Now()}, "tried again", true},
		"it may have stood for so long": {restriction{since: time.Now().Add(-2 * longestStorm)}, "given up", false},
	} {
		r := still(t, Policy{}, Parts{PBX: stubborn{}})
		r.restricted["1002"] = &tt.x
		_, err := r.lift(t.Context(), "1002")
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("%s: %v", name, err)
		}
		if (r.restricted["1002"] != nil) != tt.kept {
			t.Errorf("%s: kept is %t", name, !tt.kept)
		}
	}
}

package responder

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// asked writes down for how long flows are to be dropped.
type asked chan time.Duration

func (a asked) DropFlow(within time.Duration, _ netip.AddrPort) error {
	a <- within
	return nil
}

// A flow is dropped for as long as its plan says, whatever is reloaded while the
// order waits.
func TestFlowIsDroppedAsPlanned(t *testing.T) {
	watch := make(asked, 1)
	r := still(t, Policy{Ladder: Ladder{Claimed: 10 * time.Minute}}, Parts{Watch: watch})
	r.mu.Lock()
	r.dropFlow(&score.Verdict{At: noon, Key: score.Key{Prefix: guesser}}, flow{at: netip.MustParseAddrPort("192.0.2.66:5060")}, func(error) {})
	r.mu.Unlock()
	if err := r.Reconfigure(Policy{Ladder: Ladder{Claimed: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.cutFlows(ctx); close(done) }()
	if long := <-watch; long != 10*time.Minute {
		t.Errorf("dropped for %s", long)
	}
	cancel()
	<-done
}

// What became of a flow is told as it was ordered, too.
func TestFlowIsToldAsPlanned(t *testing.T) {
	r := still(t, Policy{Ladder: Ladder{Claimed: 10 * time.Minute}}, Parts{})
	i := &Incident{At: noon, Steps: []Step{planFlow(noon, facts{stale: &flow{phone: "the phone"}, flows: true}, r.policy.Ladder)}}
	if err := r.Reconfigure(Policy{Ladder: Ladder{Claimed: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	r.flowDropped(i, 0, nil)
	if d := i.Steps[0].Detail; !strings.Contains(d, "dropped for 10m0s,") {
		t.Error(d)
	}
}

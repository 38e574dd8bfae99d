package daemon

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// Guesses and responses that are held back are counted, each as what it is.
func TestHeldBackIsCounted(t *testing.T) {
	w := &wireSensor{throttle: newThrottle(nil, zerolog.Nop())}
	suspect := netip.MustParseAddrPort("198.51.100.10:5060")
	const guess = "REGISTER sip:pbx SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest nonce=\"x\",response=\""
	passed := 0
	for i := range intake.Ration + 5 {
		p := firewall.Packet{At: time.Now(), From: suspect, To: suspect, Payload: []byte(guess + string(rune('a'+i)) + "\"\r\n\r\n")}
		if w.throttle.passes(p) {
			passed++
		}
	}
	answer := firewall.Packet{Direction: firewall.Out, At: time.Now(), To: suspect, Payload: []byte("SIP/2.0 401 x\r\nVia: a;received=203.0.113.1\r\nCSeq: 1 A\r\n\r\n")}
	if w.throttle.passes(answer) || passed != intake.Ration {
		t.Errorf("%d guesses pass", passed)
	}
	list := map[string]uint64{}
	w.count(list)
	if list["guesses_withheld"] != 5 || list["misdirected_withheld"] != 1 {
		t.Errorf("%v", list)
	}
}

// If the kernel lets us decide about nothing any more, status says what follows, nothing
// is degraded for it, and the engine throttles nobody.
func TestGoingOnWithoutThrottle(t *testing.T) {
	w := &wireSensor{throttle: newThrottle(nil, zerolog.Nop())}
	ended := 0
	w.throttle.ended = func() { ended++ }
	w.throttle.decideFor(t.Context(), func(context.Context, func(firewall.Packet) bool) error { return unix.ENOMEM })
	if check := w.check(time.Now(), responder.Senses{}); !check.OK || !strings.Contains(check.Detail, WithoutThrottle) || !strings.Contains(check.Detail, unix.ENOMEM.Error()) {
		t.Errorf("%+v", check)
	}
	if ended != 1 {
		t.Errorf("the engine was told %d times", ended)
	}
}

package event_test

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// sipEvent is an event of chan_sip whose account is a stranger's.
func sipEvent(account string) string {
	return "Event: InvalidAccountID\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: Error\r\nService: SIP\r\nEventVersion: 1\r\nAccountID: " +
		account + "\r\nSessionID: 0x1\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/192.0.2.66/5060\r\n\r\n"
}

const (
	otherEnd   = "x\r\nSessionID: 1\r\nLocalAddress: IPV4/TCP/192.0.2.1/1\r\nRemoteAddress: IPV4/TCP/8.8.8.8/5\r\n"
	soundBegin = "Event:FailedACL\r\nPrivilege:security,all\r\nEventTV:2026-11-22T00:26:26.070+0000\r\nSeverity:Error\r\nService:SIP\r\nEventVersion:1\r\nAccountID:"
)

// Who ends an event of chan_sip with another's address is found by its rest,
// however he begins it, and hides nobody else's event by it.
func TestSeveredEvents(t *testing.T) {
	for name, account := range map[string]string{
		"an end":                          otherEnd,
		"an end, and empty lines":         otherEnd + "\r\n\r\n",
		"an end, and an unknown event":    otherEnd + "\r\nEvent: x",
		"an end, and an event of a class": otherEnd + "\r\nEvent: x\r\nPrivilege: call,all",
		"an end, and half an event":       otherEnd + "\r\nEvent: FailedACL\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000",
		"an end, and an answer":           otherEnd + "\r\nResponse: Success",
	} {
		t.Run(name, func(t *testing.T) {
			guess := sipEvent("1002")
			got := all(t, guess+sipEvent(account)+guess)
			if len(got) < 3 || got[0].err != nil || got[1].err == nil || got[len(got)-1].err != nil {
				t.Fatalf("read as %+v", got)
			}
			r, p, e := ami.NewReader(strings.NewReader(sipEvent(account))), event.Parser{}, event.Event{}
			found := false
			for {
				b, err := r.Next()
				if err != nil {
					break
				}
				_ = p.Parse(b, &e)
				if source, _, ok := p.TrueSource(); ok {
					if found = true; source.Addr().String() != "192.0.2.66" {
						t.Errorf("laid at the door of %s", source)
					}
				}
			}
			if !found {
				t.Error("nobody did it")
			}
		})
	}
	// Both halves as they have to be written are more than chan_sip reads.
	encode := strings.NewReplacer("\r", "%0d", "\n", "%0a", ":", "%3a")
	shortest := "\r\nSessionID:\r\nLocalAddress:\r\nRemoteAddress:IPV4/UDP/8.8.8.8/5\r\n\r\n" + soundBegin
	if n := len("<sip:" + encode.Replace(shortest) + "@"); n < 256 {
		t.Errorf("%d bytes are enough for both halves", n)
	}
}

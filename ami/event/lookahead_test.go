package event_test

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// sipEvent returns a chan_sip event with an account chosen by the sender.
func sipEvent(account string) string {
	return "Event: InvalidAccountID\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: Error\r\nService: SIP\r\nEventVersion: 1\r\nAccountID: " +
		account + "\r\nSessionID: 0x1\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/192.0.2.66/5060\r\n\r\n"
}

const (
	forgedEnd  = "x\r\nSessionID: 1\r\nLocalAddress: IPV4/TCP/192.0.2.1/1\r\nRemoteAddress: IPV4/TCP/8.8.8.8/5\r\n"
	validStart = "Event:FailedACL\r\nPrivilege:security,all\r\nEventTV:2026-11-22T00:26:26.070+0000\r\nSeverity:Error\r\nService:SIP\r\nEventVersion:1\r\nAccountID:"
)

// A sender who ends a chan_sip event early with somebody else's address is found
// by the rest of the event, however that starts. Other events are not affected.
func TestSplitEvents(t *testing.T) {
	for name, account := range map[string]string{
		"only an end":                      forgedEnd,
		"an end and empty lines":           forgedEnd + "\r\n\r\n",
		"an end and an unknown event":      forgedEnd + "\r\nEvent: x",
		"an end and an event with a class": forgedEnd + "\r\nEvent: x\r\nPrivilege: call,all",
		"an end and half an event":         forgedEnd + "\r\nEvent: FailedACL\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000",
		"an end and an answer":             forgedEnd + "\r\nResponse: Success",
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
						t.Errorf("attributed to %s", source)
					}
				}
			}
			if !found {
				t.Error("no source found")
			}
		})
	}
	// Both halves together are longer than what chan_sip reads.
	encode := strings.NewReplacer("\r", "%0d", "\n", "%0a", ":", "%3a")
	shortest := "\r\nSessionID:\r\nLocalAddress:\r\nRemoteAddress:IPV4/UDP/8.8.8.8/5\r\n\r\n" + validStart
	if n := len("<sip:" + encode.Replace(shortest) + "@"); n < 256 {
		t.Errorf("%d bytes are enough for both halves", n)
	}
}

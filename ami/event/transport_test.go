package event

import "testing"

func TestTransport(t *testing.T) {
	for _, tr := range []Transport{UDP, TCP, TLS, WS, WSS} {
		if back, ok := parseTransport([]byte(tr.String())); !ok || back != tr {
			t.Errorf("%v comes back as %v", tr, back)
		}
		if back, err := ParseTransport(tr.String()); err != nil || back != tr {
			t.Errorf("%v is read as %v, %v", tr, back, err)
		}
		if tr.Connected() != (tr != UDP) {
			t.Errorf("%v.Connected() = %v", tr, tr.Connected())
		}
	}
	if TransportUnknown.Connected() || Transport(200).String() != "unknown" {
		t.Error("an unknown transport is connected or has a name")
	}
	for _, name := range []string{"", "unknown", "udp"} {
		if tr, err := ParseTransport(name); err == nil {
			t.Errorf("%q is read as %v", name, tr)
		}
	}
}

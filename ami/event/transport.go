package event

import "fmt"

// Transport is the transport protocol of a SIP or manager session.
type Transport uint8

// The transports that Asterisk distinguishes. It omits an unknown transport from
// an address.
const (
	TransportUnknown Transport = iota
	UDP
	TCP
	TLS
	WS
	WSS
	transports
)

var transportNames = [transports]string{"unknown", "UDP", "TCP", "TLS", "WS", "WSS"}

// String returns Asterisk's name of the transport, or "unknown".
func (t Transport) String() string {
	if t < transports {
		return transportNames[t]
	}
	return transportNames[TransportUnknown]
}

// MarshalText returns the name.
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText parses the output of MarshalText.
func (t *Transport) UnmarshalText(text []byte) (err error) {
	if string(text) == transportNames[TransportUnknown] {
		*t = TransportUnknown
		return nil
	}
	*t, err = ParseTransport(string(text))
	return err
}

// ParseTransport parses a name as Asterisk writes it.
func ParseTransport(name string) (Transport, error) {
	if t, ok := parseTransport([]byte(name)); ok {
		return t, nil
	}
	return TransportUnknown, fmt.Errorf("event: unknown transport %q", name)
}

// Connected reports whether the transport starts with a handshake, which a spoofed
// address cannot complete.
func (t Transport) Connected() bool { return t >= TCP && t <= WSS }

func parseTransport(v []byte) (Transport, bool) {
	switch string(v) {
	case "UDP":
		return UDP, true
	case "TCP":
		return TCP, true
	case "TLS":
		return TLS, true
	case "WS":
		return WS, true
	case "WSS":
		return WSS, true
	}
	return TransportUnknown, false
}

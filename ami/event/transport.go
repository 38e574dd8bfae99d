package event

import "fmt"

// Transport is what a SIP or manager session runs over.
type Transport uint8

// The transports that Asterisk distinguishes. It leaves the transport out of an
// address when it does not know it.
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

// String gives Asterisk's own name, or "unknown".
func (t Transport) String() string {
	if t < transports {
		return transportNames[t]
	}
	return transportNames[TransportUnknown]
}

// MarshalText writes the name.
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Transport) UnmarshalText(text []byte) (err error) {
	if string(text) == transportNames[TransportUnknown] {
		*t = TransportUnknown
		return nil
	}
	*t, err = ParseTransport(string(text))
	return err
}

// ParseTransport reads a name as Asterisk writes it.
func ParseTransport(name string) (Transport, error) {
	if t, ok := parseTransport([]byte(name)); ok {
		return t, nil
	}
	return TransportUnknown, fmt.Errorf("event: unknown transport %q", name)
}

// Connected reports whether the transport begins with a handshake, which cannot
// be completed from a spoofed address.
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

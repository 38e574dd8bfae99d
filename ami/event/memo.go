package event

import (
	"net/netip"
	"time"
)

// memo remembers what was read last, since what Asterisk writes into one event
// it mostly writes into the next one, too: its own address, the second, the
// stranger who guesses. To compare costs a tenth of reading anew.
type memo struct {
	local, remote addressMemo
	second        secondMemo
}

// addressMemo is the last address that was well formed.
type addressMemo struct {
	n         uint8
	text      [longestAddress]byte
	addr      netip.AddrPort
	transport Transport
}

// longestAddress is "IPV6/TCP/…/65535", with any transport.
const longestAddress = len("IPV6/") + len("WSS/") + longestIP + len("/65535")

func (m *addressMemo) parse(v []byte) (netip.AddrPort, Transport, bool) {
	if len(v) > 0 && string(v) == string(m.text[:m.n]) {
		return m.addr, m.transport, true
	}
	addr, transport, ok := ParseAddress(v)
	if ok && len(v) <= longestAddress {
		m.n = uint8(copy(m.text[:], v))
		m.addr, m.transport = addr, transport
	}
	return addr, transport, ok
}

// secondMemo is the last time that was well formed, as the second it is in.
// Of "2006-01-02T15:04:05.000-0700" only the milliseconds change within one.
type secondMemo struct {
	known      bool
	head, tail [secondHead]byte
	begin      time.Time
}

const (
	secondHead = len("2006-01-02T15:04:05.")
	secondTail = len("-0700")
)

func (m *secondMemo) parse(v []byte) (time.Time, bool) {
	const at = secondHead + len("000")
	if m.known && len(v) == at+secondTail && string(v[:secondHead]) == string(m.head[:]) && string(v[at:]) == string(m.tail[:secondTail]) {
		if milli, ok := parseInt(v[secondHead:at]); ok && v[secondHead] != '-' {
			return m.begin.Add(time.Duration(milli) * time.Millisecond), true
		}
		return time.Time{}, false
	}
	t, ok := parseTime(v)
	if ok {
		m.known = true
		copy(m.head[:], v)
		copy(m.tail[:], v[at:])
		m.begin = t.Truncate(time.Second)
	}
	return t, ok
}

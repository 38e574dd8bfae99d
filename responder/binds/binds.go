// Package binds knows which UDP ports of Asterisk are closed to an address that may
// be spoofed: those that the configuration names, and those that Asterisk has said
// it listens on. TCP and TLS ports do not matter: a ban of an address that was named
// over a connection closes everything.
//
// The package is pure: it asks nobody and closes nothing.
package binds

import (
	"cmp"
	"slices"
)

// Driver is a channel driver of Asterisk that takes logins over UDP, spelled as in
// the names of its channels.
type Driver string

// The drivers.
const (
	PJSIP   Driver = "PJSIP"
	ChanSIP Driver = "SIP"
	IAX2    Driver = "IAX2"
)

// Words is the driver as people know it.
func (d Driver) Words() string {
	if d == ChanSIP {
		return "chan_sip"
	}
	return string(d)
}

// Bind is a UDP port that a driver listens on, on whatever address.
type Bind struct {
	Port   uint16 `json:"port"`
	Driver Driver `json:"driver"`
}

// Answer is what Asterisk says it listens on.
type Answer struct {
	// Started is when this Asterisk was started, in its own words; "" if it does
	// not say.
	Started string
	// Binds are the ports, in any order.
	Binds []Bind
}

// compare orders binds by port.
func compare(a, b Bind) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Driver, b.Driver))
}

// union returns all binds of both, once each, in order. Port 0 is none.
func union(a, b []Bind) []Bind {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compare)
	return slices.DeleteFunc(slices.Compact(all), func(b Bind) bool { return b.Port == 0 })
}

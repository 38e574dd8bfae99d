// Package binds knows which ports of Asterisk a ban closes: those that the
// configuration names, and those that Asterisk has said it listens on. The UDP ports are
// closed to an address that may be spoofed, and the UDP and TCP ports to one that is
// banned for the first time.
//
// The package is pure: it asks nobody and closes nothing.
package binds

import (
	"cmp"
	"slices"
)

// Protocol is how a login reaches a port.
type Protocol uint8

// The protocols. TCP stands for TLS, HTTP and WebSocket, too.
const (
	UDP Protocol = iota
	TCP
)

func (p Protocol) String() string { return [...]string{"UDP", "TCP"}[p] }

// Driver is a part of Asterisk that takes logins: a channel driver, spelled as in the
// names of its channels, or one of its servers.
type Driver string

// The drivers. HTTP takes SIP over WebSocket.
const (
	PJSIP   Driver = "PJSIP"
	ChanSIP Driver = "SIP"
	IAX2    Driver = "IAX2"
	HTTP    Driver = "HTTP"
	AMI     Driver = "AMI"
)

// Words is the driver as people know it.
func (d Driver) Words() string {
	if d == ChanSIP {
		return "chan_sip"
	}
	return string(d)
}

// SIP says whether a driver takes SIP.
func (d Driver) SIP() bool { return d != IAX2 && d != AMI }

// Bind is a port that a driver listens on, on whatever address.
type Bind struct {
	Port   uint16 `json:"port"`
	Driver Driver `json:"driver"`
}

// Answer is what Asterisk says it listens on.
type Answer struct {
	// Started is when this Asterisk was started, in its own words; "" if it does
	// not say.
	Started string
	// Binds are the UDP ports, in any order.
	Binds []Bind
	// TCP are the TCP ports, in any order.
	TCP []Bind
}

func (a Answer) of(p Protocol) []Bind {
	if p == TCP {
		return a.TCP
	}
	return a.Binds
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

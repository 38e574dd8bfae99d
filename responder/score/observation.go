package score

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Proof describes whether the source address of an observation is genuine.
type Proof uint8

// The address of a single UDP packet is Spoofable. A Proven address has answered us.
const (
	Spoofable Proof = iota
	Proven
)

var proofNames = []string{"spoofable", "proven"}

// String returns "spoofable" or "proven".
func (p Proof) String() string { return nameOf(p, proofNames) }

// MarshalText returns the name.
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ParseProof parses the output of String, and "claimed", which older ledgers use for
// spoofable.
func ParseProof(name string) (Proof, error) {
	if name == "claimed" {
		return Spoofable, nil
	}
	for i, n := range proofNames {
		if n == name {
			return Proof(i), nil
		}
	}
	return 0, fmt.Errorf("score: unknown proof %q", name)
}

// Observation is a signal observed at one time. Functions that take an Observation do
// not keep its byte slices.
type Observation struct {
	// At is the time on the caller's clock, with a resolution of a microsecond.
	At        time.Time
	Signal    Signal
	Source    netip.Addr // the zero Addr if the source is unknown
	Port      uint16
	Transport event.Transport
	Proof     Proof
	Service   []byte // Asterisk's name of the service: PJSIP, SIP, AMI
	Account   []byte // AccountID as Asterisk wrote it
	Session   []byte // SessionID: the SIP Call-ID with PJSIP
	Raw       []byte // the text it was parsed from; nil if not available
	Own       bool   // of the account's own phone: a failure does not count against the account, and a success is no thief's
}

// Record is an observation kept as evidence. It owns its memory. Account and Session
// come from the network, cut to 80 and 128 bytes: quote them before displaying them.
type Record struct {
	At        time.Time       `json:"at"`
	Signal    Signal          `json:"signal"`
	Source    netip.Addr      `json:"source"`
	Port      uint16          `json:"port"`
	Transport event.Transport `json:"transport"`
	Proof     Proof           `json:"proof"`
	Account   string          `json:"account"`
	Session   string          `json:"session"`
}

// maxAccount and MaxSession are the limits on the strings of a Record, in bytes.
const (
	maxAccount = 80 // AST_CHANNEL_NAME: an account with a longer name cannot call
	MaxSession = 128
)

// record returns a copy of the observation as a Record.
func (o *Observation) record() Record {
	return Record{
		At: o.At, Signal: o.Signal, Source: o.Source.Unmap(), Port: o.Port,
		Transport: o.Transport, Proof: o.Proof,
		Account: string(limit(o.Account, maxAccount)), Session: string(limit(o.Session, MaxSession)),
	}
}

func limit(b []byte, n int) []byte { return b[:min(len(b), n)] }

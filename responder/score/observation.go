package score

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Proof says whether the source address of an observation is certain.
type Proof uint8

// A lone UDP packet can carry a Spoofable address; a Proven one has answered us.
const (
	Spoofable Proof = iota
	Proven
)

var proofNames = []string{"spoofable", "proven"}

// String gives "spoofable" or "proven".
func (p Proof) String() string { return nameOf(p, proofNames) }

// MarshalText writes the name.
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ParseProof reads what String gives, and "claimed", the word of older ledgers for
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

// Observation is one thing seen, at one time. The byte slices are borrowed:
// they are read during the call they are passed to and never kept.
type Observation struct {
	// At is when it was seen, on the caller's clock. Times are told apart to
	// the microsecond.
	At        time.Time
	Signal    Signal
	Source    netip.Addr // the zero Addr when no source is known
	Port      uint16
	Transport event.Transport
	Proof     Proof
	Service   []byte // Asterisk's name of the service: PJSIP, SIP, AMI
	Account   []byte // AccountID as Asterisk wrote it
	Session   []byte // SessionID: the SIP Call-ID with PJSIP
	Raw       []byte // what it was read from; nil when that is not at hand
}

// Record is an observation that was kept as evidence. It owns its memory.
// Account and Session are what the network sent, cut to 80 and 128 bytes:
// quote them before they are shown.
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

// Caps on what is kept of the strings of an observation, in bytes.
const (
	maxAccount = 80 // AST_CHANNEL_NAME: no account with a longer name can call
	maxSession = 128
)

// record copies the observation as evidence is kept.
func (o *Observation) record() Record {
	return Record{
		At: o.At, Signal: o.Signal, Source: o.Source.Unmap(), Port: o.Port,
		Transport: o.Transport, Proof: o.Proof,
		Account: string(limit(o.Account, maxAccount)), Session: string(limit(o.Session, maxSession)),
	}
}

func limit(b []byte, n int) []byte { return b[:min(len(b), n)] }

package control

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// Proof says what became of a guess of the daemon's own, which no score counts.
type Proof struct {
	User string         `json:"user"` // the made-up extension
	From netip.Addr     `json:"from"` // where the guess came from: this machine
	To   netip.AddrPort `json:"to"`   // Asterisk's port for SIP over UDP; zero: none answered
	// Answer is the status code of Asterisk's response: 401 asks for the password.
	Answer int           `json:"answer,omitempty"`
	Took   time.Duration `json:"took_ns"`          // from the guess to its event
	Seen   bool          `json:"seen"`             // its event reached the daemon
	Why    string        `json:"reason,omitempty"` // why not
}

// Prove has the daemon guess a password itself and reports whether it noticed.
func (c *Client) Prove(ctx context.Context) (p Proof, err error) {
	return p, c.do(ctx, http.MethodPost, "/prove", struct{}{}, &p)
}

package control

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// BreakIn is an account that somebody else uses, and that nobody has dealt with yet.
type BreakIn struct {
	Account string    `json:"account"`
	Name    string    `json:"name,omitempty"` // of its person
	At      time.Time `json:"at"`             // when it was last seen
	// Addresses are where those come from who have the password, as far as that is known.
	Addresses []netip.Prefix `json:"addresses"`
	Calls     int            `json:"calls"`              // of the account that are up
	Incident  int64          `json:"incident,omitempty"` // the newest about it
}

// BreakIns returns the break-ins that nobody has dealt with.
func (c *Client) BreakIns(ctx context.Context) (list []BreakIn, err error) {
	return list, c.do(ctx, http.MethodGet, "/breakins", nil, &list)
}

// ActOn has the playbook of a break-in carried out for one of them.
func (c *Client) ActOn(ctx context.Context, o AccountOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/breakins", o, &d)
}

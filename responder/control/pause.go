package control

import (
	"context"
	"net/http"
	"time"
)

// Pause is a time in which everything automatic is recorded, but not carried out.
type Pause struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"` // who asked for it
	Reason string    `json:"reason,omitempty"`
}

// Breaker is what the limit of passwords changed and extensions locked lets through.
type Breaker struct {
	Accounts int        `json:"accounts"` // the limit; 0: none
	Within   string     `json:"within"`
	Taken    []string   `json:"taken"` // the accounts that count towards it
	Open     bool       `json:"open"`  // the limit is reached
	Until    *time.Time `json:"until"` // when the next one is possible; null: now
	Waiting  []Waiting  `json:"waiting"`
}

// Waiting is an account whose steps wait for a person.
type Waiting struct {
	Account string    `json:"account"`
	Name    string    `json:"name,omitempty"` // of its person
	Since   time.Time `json:"since"`
	Steps   []string  `json:"steps"`
}

// PauseOrder asks for a pause.
type PauseOrder struct {
	For    string `json:"for"` // a duration as in the configuration
	Reason string `json:"reason"`
}

// Paused says that a pause has begun or ended.
type Paused struct {
	Pause   *Pause    `json:"pause"`   // the one that began; null: it ended, or none was on
	Waiting []Waiting `json:"waiting"` // the accounts that still wait for a person
	Message string    `json:"message"`
}

// Pause begins a pause, or changes the one that is on.
func (c *Client) Pause(ctx context.Context, o PauseOrder) (p Paused, err error) {
	return p, c.do(ctx, http.MethodPost, "/pause", o, &p)
}

// Resume ends the pause and lets the breaker go on.
func (c *Client) Resume(ctx context.Context) (p Paused, err error) {
	return p, c.do(ctx, http.MethodPost, "/resume", struct{}{}, &p)
}

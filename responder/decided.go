package responder

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/judge"
)

// Trust takes a person's word that an address on probation is the account's own; detail
// is what was done. The error is an incident.ErrRefused.
func (e *Engine) Trust(now time.Time, uid uint32, account string, at netip.Addr) (detail string, err error) {
	e.with(func() { detail, err = e.judge.Trust(now, account, at) })
	if err == nil {
		e.Acted(now, uid, "trust", account, detail)
	}
	return detail, err
}

// Compromise takes a person's word that a thief has an account's password, and has the
// playbook of a break-in carried out; detail is not empty if that joins an incident. The
// error is an incident.ErrRefused, or says that Asterisk cannot be asked now.
func (e *Engine) Compromise(now time.Time, uid uint32, account string) (detail string, err error) {
	if err := e.reachable(); err != nil {
		return "", err
	}
	e.with(func() { detail, err = e.judge.Compromise(now, account) })
	if err != nil {
		return "", err
	}
	acted := detail
	if acted == "" {
		acted = "the playbook of a break-in is carried out"
	}
	e.Acted(now, uid, "compromise", account, acted)
	return detail, nil
}

// BreakIns are the break-ins that nobody has dealt with.
func (e *Engine) BreakIns(now time.Time) (list []judge.BreakIn) {
	e.with(func() { list = e.judge.BreakIns(now) })
	return list
}

// ActOn has the playbook of a break-in carried out that nobody has dealt with; see Compromise.
func (e *Engine) ActOn(now time.Time, uid uint32, account string) (detail string, err error) {
	if err := e.reachable(); err != nil {
		return "", err
	}
	e.with(func() { detail, err = e.judge.ActOn(now, account) })
	if err != nil {
		return "", err
	}
	acted := detail
	if acted == "" {
		acted = "the playbook of a break-in is carried out"
	}
	e.Acted(now, uid, "act on a break-in", account, acted)
	return detail, nil
}

// reachable says why nothing can be asked of Asterisk now; nil if something can.
func (e *Engine) reachable() error {
	if e.parts.AtOnce == nil {
		return nil
	}
	_, err := e.parts.AtOnce(context.Background())
	return err
}

package responder

import (
	"net/netip"
	"time"
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
// error is an incident.ErrRefused.
func (e *Engine) Compromise(now time.Time, uid uint32, account string) (detail string, err error) {
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

package responder

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// Rotate gives an account another secret at an operator's word; detail says
// where it is kept. Its registrations stay until they run out or are thrown
// out.
func (r *Responder) Rotate(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := r.mayOrder(account); err != nil {
		return "", err
	}
	now := time.Now()
	// A change of secret is not broken off because the person who asked went
	// away.
	detail, err = r.crew.rotateOnce(context.WithoutCancel(ctx), account)
	r.acted(now, uid, "rotate", account, detail, err)
	return detail, err
}

// Hangup ends every call of an account at an operator's word and names the
// channels.
func (r *Responder) Hangup(ctx context.Context, account string, uid uint32) ([]string, error) {
	if err := r.mayOrder(account); err != nil {
		return nil, err
	}
	now := time.Now()
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	channels, err := r.hangUp(ctx, account)
	r.acted(now, uid, "hangup", account, strings.Join(channels, ", "), err)
	return channels, err
}

// ExpireContacts throws out the registrations of an account at an operator's
// word; detail is what was done.
func (r *Responder) ExpireContacts(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := r.mayOrder(account); err != nil {
		return "", err
	}
	now := time.Now()
	ctx, cancel := context.WithTimeout(ctx, expireWithin)
	defer cancel()
	detail, err = r.parts.PBX.ExpireContacts(ctx, account)
	r.acted(now, uid, "expire-contacts", account, detail, err)
	return detail, err
}

// mayOrder refuses what must not be done to an account.
func (r *Responder) mayOrder(account string) error {
	if r.policy.Observe {
		return fmt.Errorf("%w: mode is observe, nothing is changed in Asterisk", ErrRefused)
	}
	return ordinary(account)
}

// ordinary refuses what is no account of a phone.
func ordinary(account string) error {
	switch {
	case account == "":
		return fmt.Errorf("%w: no account is named", ErrRefused)
	case strings.HasPrefix(account, score.ManagerAccounts):
		return fmt.Errorf("%w: %s is an account of the manager interface: change it in manager.conf", ErrRefused, account)
	}
	return nil
}

// acted records an order that Asterisk was asked to carry out.
func (r *Responder) acted(now time.Time, uid uint32, what, account, detail string, err error) {
	if err != nil {
		what, detail = what+" failed", strings.TrimPrefix(detail+": "+err.Error(), ": ")
	}
	r.act(now, uid, what, account, detail)
}

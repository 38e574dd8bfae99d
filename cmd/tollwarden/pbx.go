package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/peer"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/calls"
)

// pbx is Asterisk as the responder sees it, through whatever command session
// is there. Without one, calls wait for it as long as their context allows: a
// step is not lost because the connection was.
type pbx struct {
	manager *peer.Manager
	names   names

	mu     sync.Mutex
	client *ami.Client
	readyC chan struct{} // closed while client is set
}

func newPBX(o peer.Options) *pbx {
	p := &pbx{readyC: make(chan struct{})}
	p.manager = peer.New(p, o)
	return p
}

// use serves calls with this session until its context ends.
func (p *pbx) use(ctx context.Context, c *ami.Client) error {
	p.mu.Lock()
	p.client = c
	close(p.readyC)
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.client = nil
	p.readyC = make(chan struct{})
	p.mu.Unlock()
	return ctx.Err()
}

// Do sends one action over the session there is.
func (p *pbx) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	for {
		p.mu.Lock()
		client, ready := p.client, p.readyC
		p.mu.Unlock()
		if client != nil {
			return client.Do(ctx, a)
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: no command session to Asterisk: %w", a.Name, ctx.Err())
		}
	}
}

// connected says whether there is a command session.
func (p *pbx) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client != nil
}

// Hangup ends every channel of the account.
func (p *pbx) Hangup(ctx context.Context, account string) ([]string, error) {
	return retry(ctx, func() ([]string, error) { return p.manager.Hangup(ctx, account) })
}

// HangupChannel ends one channel.
func (p *pbx) HangupChannel(ctx context.Context, channel string) (bool, error) {
	return retry(ctx, func() (bool, error) { return p.manager.HangupChannel(ctx, channel) })
}

// Whence is where the call of a channel comes from.
func (p *pbx) Whence(ctx context.Context, channel string) (netip.AddrPort, error) {
	return p.manager.Whence(ctx, channel)
}

// Agent is the User-Agent of the call of a channel.
func (p *pbx) Agent(ctx context.Context, channel string) (string, error) {
	return p.manager.Agent(ctx, channel)
}

// Accounts are those that Asterisk knows. Only PJSIP raises a SuccessfulAuth
// for every call.
func (p *pbx) Accounts(ctx context.Context) ([]calls.Account, error) {
	list, err := p.manager.Accounts(ctx)
	accounts := make([]calls.Account, 0, len(list))
	for _, a := range list {
		accounts = append(accounts, calls.Account{Name: a.Name, Login: a.Login, Sure: a.Technology == peer.PJSIP})
	}
	return accounts, err
}

// Rotate gives the account another secret. It is not tried twice: a rotation
// that broke off is for a person to look at.
func (p *pbx) Rotate(ctx context.Context, account string) (string, error) {
	return p.manager.Rotate(ctx, account)
}

// Lock takes an account's calls away. Like a rotation it is not tried twice.
func (p *pbx) Lock(ctx context.Context, account string) (was, detail string, err error) {
	was, detail, err = p.manager.Lock(ctx, account)
	if errors.Is(err, peer.ErrNoAccount) {
		err = fmt.Errorf("%w: %w", responder.ErrRefused, err)
	}
	return was, detail, err
}

// Unlock gives an account's calls back.
func (p *pbx) Unlock(ctx context.Context, account, was string) (string, error) {
	return p.manager.Unlock(ctx, account, was)
}

// Restrict lets an account be used from these networks alone.
func (p *pbx) Restrict(ctx context.Context, account string, to []netip.Prefix) (string, error) {
	return p.manager.Restrict(ctx, account, to)
}

// Lift takes such a restriction away.
func (p *pbx) Lift(ctx context.Context, account string, to []netip.Prefix) (string, error) {
	return p.manager.Lift(ctx, account, to)
}

// ExpireContacts throws out the account's registrations.
func (p *pbx) ExpireContacts(ctx context.Context, account string) (string, error) {
	done, err := retry(ctx, func() (peer.Expired, error) { return p.manager.Expire(ctx, account) })
	return done.String(), err
}

// retry repeats what is harmless to repeat when the session broke under it.
func retry[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, ami.ErrClosed) || ctx.Err() != nil {
			return v, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Contacts are the registrations Asterisk holds.
func (p *pbx) Contacts(ctx context.Context) ([]responder.Contact, error) {
	list, err := p.manager.Contacts(ctx)
	contacts := make([]responder.Contact, 0, len(list))
	for _, c := range list {
		contacts = append(contacts, responder.Contact{Account: c.Account, Source: c.Via.Addr(), Port: c.Via.Port(), Agent: c.UserAgent})
	}
	return contacts, err
}

// Channels are the channels that are up.
func (p *pbx) Channels(ctx context.Context) ([]calls.Channel, error) {
	list, err := p.manager.Channels(ctx)
	up := make([]calls.Channel, 0, len(list))
	now := time.Now()
	for _, c := range list {
		channel := calls.Channel{
			Name: c.Name, Account: c.Account, Linkedid: c.Linkedid, Dialled: c.Exten, Since: now.Add(-c.Duration),
			Calling: c.State == "Ring" || c.Linkedid == c.Uniqueid, // the first channel of a call is the caller's
			Called:  c.Application == "AppDial",
		}
		if c.State == "Up" {
			channel.Answered = channel.Since // at the earliest
		}
		up = append(up, channel)
	}
	return up, err
}

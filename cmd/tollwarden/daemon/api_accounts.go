package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Scores are how near the keys of one kind are to a threshold, the nearest first.
func (b *apiBackend) Scores(kind string, limit int) ([]control.ScoreStatus, error) {
	per, err := score.ParsePer(kind)
	if err != nil {
		return nil, control.Refusal(fmt.Sprintf("%q: want \"source\" (an IP address), \"network\" or \"account\" (an extension)", kind))
	}
	scores := b.engine.Scores(time.Now(), per, limit)
	list := make([]control.ScoreStatus, len(scores))
	for i := range scores {
		list[i] = scoreStatus(&scores[i])
		list[i].Name = b.names.of(scores[i].Key.Account)
	}
	return list, nil
}

// scoreStatus is a score as the commands show it.
func scoreStatus(s *judge.ScoreStatus) control.ScoreStatus {
	shown := control.ScoreStatus{
		Key: s.Key, Share: s.Share(), Scores: []control.Score{}, Ban: s.Ban, Partial: s.Partial,
		Last: incident.SomeTime(s.Last), Crossed: s.Fired, Trust: s.Why, Channels: s.Channels, Held: s.Held, Rotated: incident.SomeTime(s.Rotated),
	}
	for _, p := range s.Scores {
		shown.Scores = append(shown.Scores, control.Score{
			Threshold: p.Threshold.Name, Points: p.Points, Score: p.Threshold.Score, Within: config.FormatDuration(p.Threshold.Within), Counts: p.Threshold.Counts(),
		})
	}
	return shown
}

// Accounts are the names to complete an account from.
func (b *apiBackend) Accounts() []string { return b.engine.AccountNames(time.Now()) }

// Rotate gives an account another password by an operator's order.
func (b *apiBackend) Rotate(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := b.engine.Accounts.Rotate(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	done := control.AccountDone{Account: o.Account, Name: b.names.of(o.Account), Message: "changed the password of " + b.names.title(o.Account) + "\nits phones need the new one: " + incident.AccountCommand("secret", o.Account) + ", run by root, shows it"}
	if !o.Expire {
		done.Message += "; a registration made with the old one lasts until it expires (--expire removes it)\ndetails: " + detail
		return done, nil
	}
	removed, err := b.engine.Accounts.RemoveRegistrations(ctx, o.Account, uid)
	if err != nil {
		return done, fmt.Errorf("changed the password of %s, but its registrations are still there: %w", o.Account, err)
	}
	done.Message += "; " + removed + "\ndetails: " + detail
	return done, nil
}

// Hangup ends every call of an account by an operator's order.
func (b *apiBackend) Hangup(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	channels, err := b.engine.Accounts.Hangup(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	done := control.AccountDone{Account: o.Account, Name: b.names.of(o.Account), Channels: channels, Message: b.names.title(o.Account) + " has no calls"}
	if len(channels) > 0 {
		done.Message = fmt.Sprintf("ended %s of %s: %s", incident.Count(len(channels), "channel"), b.names.title(o.Account), strings.Join(channels, ", "))
	}
	return done, nil
}

// Lock prevents an account from calling, by an operator's order.
func (b *apiBackend) Lock(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := b.engine.Accounts.Lock(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return control.AccountDone{Account: o.Account, Name: b.names.of(o.Account), Message: "locked " + b.names.title(o.Account) + ": " + detail}, nil
}

// Unlock ends a lock or a restriction, or takes that a stolen password was changed.
func (b *apiBackend) Unlock(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := b.engine.Accounts.Unlock(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return control.AccountDone{Account: o.Account, Name: b.names.of(o.Account), Message: "unlocked " + b.names.title(o.Account) + ": " + detail}, nil
}

// Trust ends the probation of an address, by an operator's order.
func (b *apiBackend) Trust(uid uint32, o control.TrustOrder) (control.AccountDone, error) {
	detail, err := b.engine.Trust(time.Now(), uid, o.Account, o.Address)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return control.AccountDone{Account: o.Account, Name: b.names.of(o.Account), Message: detail}, nil
}

// Compromise has the playbook of a break-in carried out, by an operator's order.
func (b *apiBackend) Compromise(uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := b.engine.Compromise(time.Now(), uid, o.Account)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	return b.beingContained(o.Account, detail), nil
}

// beingContained says that the playbook of a break-in is being carried out; detail is not empty
// if that joins an incident.
func (b *apiBackend) beingContained(account, detail string) control.AccountDone {
	if detail == "" {
		detail = "the playbook of a break-in is being carried out"
	}
	return control.AccountDone{Account: account, Name: b.names.of(account), Message: b.names.title(account) + ": " + detail + "; `tollwarden incidents` shows its steps"}
}

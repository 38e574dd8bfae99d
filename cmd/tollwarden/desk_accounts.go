package main

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

// Standings are the keys of one kind nearest to a threshold.
func (k desk) Standings(kind string, limit int) ([]control.Standing, error) {
	per, err := score.ParsePer(kind)
	if err != nil {
		return nil, control.Refusal(fmt.Sprintf("%q: want source, network or account", kind))
	}
	standings := k.d.engine.Scores(time.Now(), per, limit)
	list := make([]control.Standing, len(standings))
	for i := range standings {
		list[i] = showStanding(&standings[i])
	}
	return list, nil
}

func showStanding(s *judge.ScoreStatus) control.Standing {
	shown := control.Standing{
		Key: s.Key, Share: s.Share(), Scores: []control.Score{},
		Last: incident.SomeTime(s.Last), Crossed: s.Fired, Trust: s.Why, Channels: s.Channels, Held: s.Held, Rotated: incident.SomeTime(s.Rotated),
	}
	for _, p := range s.Scores {
		shown.Scores = append(shown.Scores, control.Score{
			Threshold: p.Threshold.Name, Points: p.Points, Score: p.Threshold.Score, Within: config.FormatDuration(p.Threshold.Within),
		})
	}
	shown.Ban = s.Ban
	return shown
}

// Accounts are the names to complete an account from.
func (k desk) Accounts() []string { return k.d.engine.AccountNames(time.Now()) }

// Rotate gives an account another secret at an operator's word.
func (k desk) Rotate(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	detail, err := k.d.engine.Accounts.Rotate(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	done := control.AccountDone{Account: o.Account, Message: "changed the secret of " + o.Account + ": " + detail + "\nits phones need the new one"}
	if !o.Expire {
		done.Message += "; a registration made with the old one lasts until it runs out (--expire throws it out)"
		return done, nil
	}
	expired, err := k.d.engine.Accounts.RemoveRegistrations(ctx, o.Account, uid)
	if err != nil {
		return done, fmt.Errorf("changed the secret of %s, but its registrations are still there: %w", o.Account, err)
	}
	done.Message += "; " + expired
	return done, nil
}

// Hangup ends every call of an account at an operator's word.
func (k desk) Hangup(ctx context.Context, uid uint32, o control.AccountOrder) (control.AccountDone, error) {
	channels, err := k.d.engine.Accounts.Hangup(ctx, o.Account, uid)
	if err != nil {
		return control.AccountDone{}, refusal(err)
	}
	done := control.AccountDone{Account: o.Account, Channels: channels, Message: o.Account + " has no call"}
	if len(channels) > 0 {
		done.Message = fmt.Sprintf("ended %s of %s: %s", incident.Count(len(channels), "channel"), o.Account, strings.Join(channels, ", "))
	}
	return done, nil
}

// WatchBans tells of every change of a ban from now on.
func (k desk) WatchBans() (<-chan control.BanChange, func()) { return k.d.bans.watch() }

// WatchIncidents tells of every change of an incident from now on.
func (k desk) WatchIncidents() (<-chan incident.Incident, func()) { return k.d.incidents.watch() }

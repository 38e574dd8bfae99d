package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// Hangup ends every channel of the account, on PJSIP and chan_sip, and repeats
// until Asterisk lists none, so that a call that slipped in between is ended
// too. It returns the name of every channel it ended, each once; also those
// ended before an error. No channel at all is no error.
func (m *Manager) Hangup(ctx context.Context, account string) (channels []string, err error) {
	if err := checkName(account); err != nil {
		return nil, fmt.Errorf("hang up: %w", err)
	}
	pattern := "/^(PJSIP|SIP)/" + quoteERE(account) + "-[0-9a-f]{8}$/"
	for round := range m.o.Rounds {
		if round > 0 {
			if err := sleep(ctx, min(10*time.Millisecond<<min(round, 5), 250*time.Millisecond)); err != nil {
				return channels, fmt.Errorf("hang up %s: %w", account, err)
			}
		}
		hung, err := m.hangupMatching(ctx, pattern)
		for _, name := range hung {
			if !slices.Contains(channels, name) {
				channels = append(channels, name)
			}
		}
		if err != nil {
			return channels, fmt.Errorf("hang up %s: %w", account, err)
		}
		left, err := m.channelsOf(ctx, account)
		if err != nil {
			return channels, fmt.Errorf("hang up %s: see what is left: %w", account, err)
		}
		if len(hung) == 0 && left == 0 {
			return channels, nil
		}
	}
	return channels, fmt.Errorf("hang up %s: channels are still there after %d rounds: rotate or lock the account first", account, m.o.Rounds)
}

// hangupMatching asks for the end of every channel that the pattern matches and
// returns their names. The end itself comes a moment later.
func (m *Manager) hangupMatching(ctx context.Context, pattern string) ([]string, error) {
	r, err := m.do(ctx, ami.HangupChannel(pattern, 0))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range r.Events {
		if e.Get("Event") == "ChannelHungup" {
			names = append(names, e.Get("Channel"))
		}
	}
	return names, nil
}

// channelsOf counts the account's channels in Asterisk's own list. Where the AMI
// user may not see that list, the empty answer of Hangup has to do: it goes by
// the same channels.
func (m *Manager) channelsOf(ctx context.Context, account string) (int, error) {
	all, err := m.Channels(ctx)
	var denied *PermissionError
	if errors.As(err, &denied) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range all {
		if c.Account == account && !strings.Contains(c.Name, "<") { // what a masquerade left is ending already
			n++
		}
	}
	return n, nil
}

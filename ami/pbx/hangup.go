package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
)

// hangups ends channels and sees in the inventory what is left.
type hangups struct {
	asterisk  asterisk
	inventory inventory
	rounds    int // see Options.Rounds
}

// Hangup ends every channel of the account but those that spare, if set, names, on PJSIP, chan_sip and chan_iax2, and repeats
// until Asterisk lists none, so that a call that slipped in between is ended
// too. It returns the name of every channel it ended, each once; also those
// ended before an error. No channel at all is no error. It goes on when the
// session breaks.
func (h *hangups) Hangup(ctx context.Context, account string, spare func() []string) (channels []string, err error) {
	if account == "" || strings.ContainsAny(account, "\r\n\x00") { // no channel is named so
		return nil, fmt.Errorf("hang up: %w: %q", ErrUnsafeName, account)
	}
	if spare == nil {
		spare = func() []string { return nil }
	}
	err = again(ctx, func() error { return h.hangup(ctx, account, spare, &channels) })
	if err != nil {
		err = fmt.Errorf("hang up %s: %w", account, err)
	}
	return channels, err
}

// hangup adds the names of the channels that it ends.
func (h *hangups) hangup(ctx context.Context, account string, spare func() []string, channels *[]string) error {
	for round := range h.rounds {
		if err := pause(ctx, round); err != nil {
			return err
		}
		spared := spare()
		hung, err := h.hangupAll(ctx, account, spared)
		for _, name := range hung {
			if !slices.Contains(*channels, name) {
				*channels = append(*channels, name)
			}
		}
		if err != nil {
			return err
		}
		left, err := h.channelsOf(ctx, account, spared)
		if err != nil {
			return fmt.Errorf("see what is left: %w", err)
		}
		if len(hung) == 0 && left == 0 {
			return nil
		}
	}
	return fmt.Errorf("channels are still there after %d rounds: rotate or lock the extension first", h.rounds)
}

// hangupAll asks for the end of every channel of an account that is not spared, and returns
// their names. One action does it for a name that is one word, unless a channel is spared;
// the channels of any other are ended one by one, by their exact names.
func (h *hangups) hangupAll(ctx context.Context, account string, spared []string) ([]string, error) {
	if checkName(account) == nil && len(spared) == 0 {
		name := quoteERE(account)
		return h.hangupMatching(ctx, "^((PJSIP|SIP)/"+name+"-[0-9a-f]{8}|IAX2/"+name+"-[0-9]{1,5})$")
	}
	all, err := h.inventory.Channels(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the channels: %w", err)
	}
	var names []string
	for _, c := range all {
		if c.Account != account || masqueraded(c.Name) || slices.Contains(spared, c.Name) {
			continue
		}
		ended, err := h.HangupChannel(ctx, c.Name)
		if ended {
			names = append(names, c.Name)
		}
		if err != nil {
			return names, err
		}
	}
	return names, nil
}

// hangupMatching asks for the end of every channel that the pattern matches and
// returns their names. The end itself comes a moment later.
func (h *hangups) hangupMatching(ctx context.Context, pattern string) ([]string, error) {
	r, err := h.asterisk.do(ctx, ami.HangupMatching(pattern))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range r.Events {
		if e.Get("Event") == "ChannelHungup" {
			names = append(names, strings.Clone(e.Get("Channel")))
		}
	}
	return names, nil
}

// channelsOf counts the account's channels in Asterisk's own list that are not spared. Where the AMI
// user may not see that list, the empty answer of Hangup has to do: it goes by
// the same channels.
func (h *hangups) channelsOf(ctx context.Context, account string, spared []string) (int, error) {
	all, err := h.inventory.Channels(ctx)
	var denied *PermissionError
	if errors.As(err, &denied) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range all {
		if c.Account == account && !masqueraded(c.Name) && !slices.Contains(spared, c.Name) { // what a masquerade left is ending already
			n++
		}
	}
	return n, nil
}

// masqueraded says whether a channel is what a masquerade left, such as …<ZOMBIE>.
func masqueraded(channel string) bool { return strings.HasSuffix(channel, ">") }

// HangupChannel ends the one channel of that name; ended is false when there is
// none any more. It goes on when the session breaks.
func (h *hangups) HangupChannel(ctx context.Context, channel string) (ended bool, err error) {
	if tech, _, ok := strings.Cut(channel, "/"); !ok || tech == "" { // "/…/" is a pattern
		return false, fmt.Errorf("hang up %q: not the name of a channel", channel)
	}
	err = again(ctx, func() error {
		_, err := goami.Hangup(ctx, h.asterisk.session(), "", channel, "")
		return err
	})
	if answered(err, "No such channel") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("hang up %s: %w", channel, err)
	}
	return true, nil
}

package pbx

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
)

// Channels lists every channel of the PBX.
func (i inventory) Channels(ctx context.Context) ([]calls.Channel, error) {
	items, err := goami.CoreShowChannels(ctx, i.asterisk.session("Channel", "Uniqueid", "Linkedid", "Exten", "Duration", "ChannelStateDesc", "Application", "ApplicationData", "CallerIDNum"), "")
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	now := time.Now()
	out := make([]calls.Channel, 0, len(items))
	for _, item := range items {
		if once(item, "Channel", "Uniqueid", "Linkedid") {
			out = append(out, readChannel(now, item))
		}
	}
	return out, nil
}

// readChannel reads one list item. Everything but the names and ids may have
// been chosen by an attacker.
func readChannel(now time.Time, item goami.Response) calls.Channel {
	c := calls.Channel{
		Name: own(item, "Channel"), Linkedid: own(item, "Linkedid"), Dialled: own(item, "Exten"),
		Since: now.Add(-clock(item.Get("Duration"))),
		// The first channel of a call is the caller's.
		Calling: item.Get("ChannelStateDesc") == "Ring" || item.Get("Linkedid") == item.Get("Uniqueid"),
		Called:  item.Get("Application") == "AppDial",
	}
	if c.Called {
		c.CallerID = own(item, "CallerIDNum")
	} else if item.Get("Application") == "Dial" {
		c.Data = own(item, "ApplicationData")
	}
	if _, account, ok := event.SplitChannel([]byte(c.Name)); ok {
		c.Account = string(account)
	}
	if item.Get("ChannelStateDesc") == "Up" {
		c.Answered = c.Since // at the earliest
	}
	return c
}

// clock reads Asterisk's HH:MM:SS, whose hours may pass 99.
func clock(s string) time.Duration {
	var d time.Duration
	for part := range strings.SplitSeq(s, ":") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 1e6 {
			return 0
		}
		d = d*60 + time.Duration(n)*time.Second
	}
	return d
}

// CallSource is the address that the call of a channel comes from, as Asterisk
// saw it: a single spoofed UDP packet can name it. The port is 0 where Asterisk
// does not give one.
func (i inventory) CallSource(ctx context.Context, channel string) (netip.AddrPort, error) {
	value, err := i.variable(ctx, channel, "CHANNEL(pjsip,remote_addr)", "CHANNEL(recvip)")
	if err != nil {
		return netip.AddrPort{}, err
	}
	if ap, err := netip.ParseAddrPort(value); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look up %s: Asterisk gives no address", channel)
	}
	return netip.AddrPortFrom(addr.Unmap(), 0), nil
}

// CallUserAgent is the User-Agent that the call of a channel was set up with, in
// the caller's own words; "" when the caller sent none.
func (i inventory) CallUserAgent(ctx context.Context, channel string) (string, error) {
	return i.variable(ctx, channel, "PJSIP_HEADER(read,User-Agent)", "CHANNEL(useragent)")
}

// variable reads a variable of a channel, which has another name in each
// technology.
func (i inventory) variable(ctx context.Context, channel, pjsip, chanSIP string) (string, error) {
	tech, _, ok := event.SplitChannel([]byte(channel))
	if !ok {
		return "", fmt.Errorf("look up %q: not the channel of a phone", channel)
	}
	name := pjsip
	if Technology(tech) == ChanSIP {
		name = chanSIP
	}
	r, err := goami.Getvar(ctx, i.asterisk.session(), "", channel, name)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", channel, err)
	}
	return own(r, "Value"), nil
}

package peer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// Channel is one channel as Asterisk listed it. Everything but the names and
// ids may have been chosen by a stranger.
type Channel struct {
	Name       string
	Technology Technology // what stands before the '/' of Name: also Local and others
	Account    string     // for PJSIP and SIP; otherwise ""
	Uniqueid   string
	Linkedid   string
	State      string // ChannelStateDesc: Down, Ring, Ringing, Up …
	Context    string
	Exten      string // the number dialled
	CallerID   string // CallerIDNum
	Connected  string // ConnectedLineNum
	BridgeID   string
	// Application is what the dialplan does with it now; "AppDial" is a channel
	// that another one dialled.
	Application string
	Duration    time.Duration // since the channel was made, in whole seconds
}

// Channels lists every channel of the PBX.
func (m *Manager) Channels(ctx context.Context) ([]Channel, error) {
	r, err := m.do(ctx, ami.ShowChannels())
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	var out []Channel
	for _, e := range r.Events {
		if e.Get("Event") == "CoreShowChannel" && once(e, "Channel", "Uniqueid", "Linkedid") {
			out = append(out, readChannel(e))
		}
	}
	return out, nil
}

func readChannel(e ami.Message) Channel {
	c := Channel{
		Name: e.Get("Channel"), Uniqueid: e.Get("Uniqueid"), Linkedid: e.Get("Linkedid"),
		State: e.Get("ChannelStateDesc"), Context: e.Get("Context"), Exten: e.Get("Exten"),
		CallerID: e.Get("CallerIDNum"), Connected: e.Get("ConnectedLineNum"),
		BridgeID: e.Get("BridgeId"), Application: e.Get("Application"), Duration: clock(e.Get("Duration")),
	}
	tech, _, _ := strings.Cut(c.Name, "/")
	c.Technology = Technology(tech)
	if _, account, ok := event.SplitChannel([]byte(c.Name)); ok {
		c.Account = string(account)
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

// once reports whether each of the headers is in the message exactly once: a
// value that breaks out of its line could bring a second one.
func once(e ami.Message, names ...string) bool {
	for _, name := range names {
		n := 0
		for _, f := range e {
			if f.Name == name {
				n++
			}
		}
		if n != 1 {
			return false
		}
	}
	return true
}

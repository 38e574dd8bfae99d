package amitest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// Channel is one leg of a call. Empty fields get default values.
type Channel struct {
	Name        string // derived from Technology and Account by default
	Technology  string // "PJSIP" by default
	Account     string
	State       int // 0 Down, 4 Ring, 5 Ringing, 6 Up
	CallerNum   string
	CallerName  string
	Connected   string
	Context     string // "internal" by default
	Exten       string // dialled number
	Application string
	Data        string
	Bridge      string
	Uniqueid    string
	Linkedid    string            // the Uniqueid by default
	Vars        map[string]string // for Getvar, such as "CHANNEL(pjsip,call-id)"

	// Deaf is how many hangups the channel ignores, like a channel whose thread is
	// busy.
	Deaf int

	created time.Time
}

var stateNames = map[int]string{
	0: "Down", 1: "Rsrvd", 2: "OffHook", 3: "Dialing", 4: "Ring", 5: "Ringing", 6: "Up", 7: "Busy",
}

// AddChannel adds a channel, raises Newchannel and returns its name.
func (p *PBX) AddChannel(c Channel) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	c.created = time.Now()
	c.Technology = cmp.Or(c.Technology, "PJSIP")
	c.Name = cmp.Or(c.Name, fmt.Sprintf("%s/%s-%08x", c.Technology, c.Account, p.serial))
	c.CallerNum = cmp.Or(c.CallerNum, c.Account)
	c.Context = cmp.Or(c.Context, "internal")
	c.Uniqueid = cmp.Or(c.Uniqueid, fmt.Sprintf("%d.%d", c.created.Unix(), p.serial))
	c.Linkedid = cmp.Or(c.Linkedid, c.Uniqueid)
	p.channels = append(p.channels, &c)
	p.event("call", "Newchannel", c.snapshot()...)
	return c.Name
}

// SetState changes the state of a channel and raises Newstate.
func (p *PBX) SetState(name string, state int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.channel(name); c != nil && c.State != state {
		c.State = state
		p.event("call", "Newstate", c.snapshot()...)
	}
}

// Hangup ends a channel, as a phone would, and raises Hangup.
func (p *PBX) Hangup(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.channel(name); c != nil {
		c.Deaf = 0
		p.hangup(c, 16)
	}
}

// Channels returns the names of the active channels, oldest first.
func (p *PBX) Channels() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.channels {
		names = append(names, c.Name)
	}
	return names
}

func (p *PBX) channel(name string) *Channel {
	for _, c := range p.channels {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// hangup ends a channel, unless it is deaf.
func (p *PBX) hangup(c *Channel, cause int) {
	if c.Deaf > 0 {
		c.Deaf--
		return
	}
	p.channels = slices.DeleteFunc(p.channels, func(other *Channel) bool { return other == c })
	p.event("call", "Hangup", append(c.snapshot(),
		ami.Field{Name: "Cause", Value: fmt.Sprint(cause)},
		ami.Field{Name: "Cause-txt", Value: causeText(cause)})...)
}

func causeText(cause int) string {
	switch cause {
	case 16:
		return "Normal Clearing"
	case 21:
		return "Call Rejected"
	case 34:
		return "Circuit/channel congestion"
	}
	return "Unknown"
}

// snapshot returns the fields common to all channel events
// (ast_manager_build_channel_state_string in main/manager_channels.c).
func (c *Channel) snapshot() []ami.Field {
	return []ami.Field{
		{Name: "Channel", Value: c.Name},
		{Name: "ChannelState", Value: fmt.Sprint(c.State)},
		{Name: "ChannelStateDesc", Value: cmp.Or(stateNames[c.State], "Unknown")},
		{Name: "CallerIDNum", Value: cmp.Or(c.CallerNum, event.Unknown)},
		{Name: "CallerIDName", Value: cmp.Or(c.CallerName, event.Unknown)},
		{Name: "ConnectedLineNum", Value: cmp.Or(c.Connected, event.Unknown)},
		{Name: "ConnectedLineName", Value: event.Unknown},
		{Name: "Language", Value: "en"},
		{Name: "AccountCode", Value: ""},
		{Name: "Context", Value: c.Context},
		{Name: "Exten", Value: c.Exten},
		{Name: "Priority", Value: "1"},
		{Name: "Uniqueid", Value: c.Uniqueid},
		{Name: "Linkedid", Value: c.Linkedid},
	}
}

func doCoreShowChannels(p *PBX, _ *session, _ request, a *reply) {
	a.list("Channels will follow")
	for _, c := range p.channels {
		up := time.Since(c.created).Round(time.Second)
		a.item("CoreShowChannel", append(c.snapshot(),
			ami.Field{Name: "Application", Value: c.Application},
			ami.Field{Name: "ApplicationData", Value: c.Data},
			ami.Field{Name: "Duration", Value: fmt.Sprintf("%02d:%02d:%02d", int(up.Hours()), int(up.Minutes())%60, int(up.Seconds())%60)},
			ami.Field{Name: "BridgeId", Value: c.Bridge})...)
	}
	a.complete("CoreShowChannelsComplete")
}

// doHangup ends one channel by name, or all channels that match /regex/.
func doHangup(p *PBX, _ *session, r request, a *reply) {
	name, cause := r.get("Channel"), 16
	_, _ = fmt.Sscan(r.get("Cause"), &cause)
	if name == "" {
		a.refuse("No channel specified")
		return
	}
	if !strings.HasPrefix(name, "/") {
		c := p.channel(name)
		if c == nil {
			a.refuse("No such channel")
			return
		}
		a.success("Channel Hungup")
		p.hangup(c, cause)
		return
	}
	pattern, closed := strings.CutSuffix(name[1:], "/")
	if !closed {
		a.refuse("Regex format invalid, Channel param should be /regex/")
		return
	}
	match, err := regexp.CompilePOSIX(pattern)
	if err != nil {
		a.refuse("Regex compile failed on: %s", name)
		return
	}
	a.list("Channels hung up will follow")
	for _, c := range slices.Clone(p.channels) {
		if match.MatchString(c.Name) {
			p.hangup(c, cause)
			a.lastID("ChannelHungup", ami.Field{Name: "Channel", Value: c.Name})
		}
	}
	a.complete("ChannelsHungupListComplete")
}

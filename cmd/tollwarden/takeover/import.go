// Package takeover takes over what other programs have banned and allowed: it checks it,
// gives it to the daemon or its data folder, and lists what was not taken, and why.
package takeover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// Import is what was read from another program and then, by Send or Store, what was taken
// over.
type Import struct {
	Bans    []Ban              `json:"bans"`
	Allowed []config.AllowItem `json:"allowed"`
	Skipped []Skipped          `json:"skipped"`
	// Offline says that no daemon ran: it takes effect with the next start.
	Offline bool `json:"offline"`

	from    string // the other program
	comment string // of what is allowed
	now     time.Time
	own     []netip.Prefix
	at      map[netip.Prefix]int // of bans
}

// Ban is one ban of another program's.
type Ban struct {
	Prefix netip.Prefix `json:"prefix"`
	Jail   string       `json:"jail"` // or the set
	Since  time.Time    `json:"since"`
	Until  *time.Time   `json:"until"` // null: until it is released
}

// Skipped is what was not imported, and why.
type Skipped struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// New makes an empty import. own are this host's addresses and networks, which are never
// banned; comment is why an entry is on the allow list.
func New(from, comment string, now time.Time, own []netip.Prefix) *Import {
	return &Import{
		Bans: []Ban{}, Allowed: []config.AllowItem{}, Skipped: []Skipped{},
		from: from, comment: comment, now: now, own: own, at: map[netip.Prefix]int{},
	}
}

// Skip records what is not taken.
func (im *Import) Skip(what, why string) { im.Skipped = append(im.Skipped, Skipped{what, why}) }

// Ban adds a ban; of an address with several, the longest stays. until is zero if it lasts
// until it is released. One that is over is left out without a word; one that would block
// this host or everybody is skipped.
func (im *Import) Ban(prefix netip.Prefix, jail string, since, until time.Time) {
	if !until.IsZero() && !until.After(im.now) {
		return
	}
	if why := im.unsafe(prefix); why != "" {
		im.Skip(incident.PrefixText(prefix), why)
		return
	}
	ban := Ban{Prefix: prefix, Jail: jail, Since: since}
	if !until.IsZero() {
		ban.Until = &until
	}
	i, known := im.at[prefix]
	switch {
	case !known:
		im.at[prefix] = len(im.Bans)
		im.Bans = append(im.Bans, ban)
	case im.Bans[i].Until != nil && (ban.Until == nil || ban.Until.After(*im.Bans[i].Until)):
		im.Bans[i] = ban
	}
}

// The widest networks that are banned or, if that is forced, allowed.
const (
	widest4 = 8
	widest6 = 19
)

// unsafe says why a ban must not be taken over; "" if it may.
func (im *Import) unsafe(p netip.Prefix) string {
	switch {
	case p.Bits() == 0:
		return "this bans everybody"
	case wide(p):
		return "this bans a large part of the internet"
	}
	for _, own := range im.own {
		if p.Overlaps(own) {
			return fmt.Sprintf("this host is in %s", incident.PrefixText(own))
		}
	}
	return ""
}

func wide(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() < widest4 || !p.Addr().Is4() && p.Bits() < widest6
}

// Allow adds an entry to the allow list. What is too wide is skipped unless it is forced;
// everybody, or a large part of the internet, is never allowed.
func (im *Import) Allow(item config.AllowItem, force bool) {
	item.Force = force && item.Refused() != ""
	switch {
	case item.Name == "" && item.Prefix.Bits() == 0:
		im.Skip(item.What(), "this allows everybody, so nobody could be banned")
	case item.Name == "" && wide(item.Prefix):
		im.Skip(item.What(), "this allows a large part of the internet")
	case item.Refused() != "":
		im.Skip(item.What(), item.Refused()+": --force imports it all the same")
	case !slices.ContainsFunc(im.Allowed, item.Same):
		im.Allowed = append(im.Allowed, item)
	}
}

// reason is why an imported address is banned.
func (im *Import) reason(b Ban) string {
	if im.from == fail2ban {
		return "imported from fail2ban, jail " + b.Jail
	}
	if b.Jail == "" {
		return "imported from " + im.from
	}
	return "imported from " + im.from + ", " + b.Jail
}

const fail2ban = "fail2ban"

// Left is the time that a ban has left, as an order writes it.
func (b Ban) Left(now time.Time) string {
	if b.Until == nil {
		return "forever"
	}
	return config.FormatDuration(max(time.Second, b.Until.Sub(now).Round(time.Second)))
}

// takeOver passes each ban to add, and keeps those that add accepted.
func (im *Import) takeOver(add func(Ban) error) {
	bans := im.Bans
	im.Bans = im.Bans[:0]
	for _, b := range bans {
		if err := add(b); err != nil {
			im.Skip(incident.PrefixText(b.Prefix), err.Error())
			continue
		}
		im.Bans = append(im.Bans, b)
	}
}

// allow passes add what have does not cover, and keeps what add accepted. What is covered
// needs nothing.
func (im *Import) allow(have []config.AllowItem, add func(config.AllowItem) error) {
	wanted := im.Allowed
	im.Allowed = im.Allowed[:0]
	for _, item := range wanted {
		if slices.ContainsFunc(have, item.CoveredBy) {
			continue
		}
		if err := add(item); err != nil {
			im.Skip(item.What(), err.Error())
			continue
		}
		have = append(have, item)
		im.Allowed = append(im.Allowed, item)
	}
}

// errAllowed is why a ban is not taken over.
var errAllowed = errors.New("on the allow list, or contains an address that is")

package fail2ban

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Where fail2ban keeps what is imported.
const (
	DefaultDB    = "/var/lib/fail2ban/fail2ban.sqlite3"
	DefaultJails = "/etc/fail2ban/jail.local"
)

// Source says what is imported.
type Source struct {
	DB    string   // fail2ban's database
	Jails []string // whose bans; none is all
	// IgnoreIP are the files whose ignoreip is imported; nil is DefaultJails, if
	// it exists.
	IgnoreIP []string
	// BanTime is how long bans last that have no time in the database (fail2ban
	// before 0.11). Negative is forever.
	BanTime time.Duration
	// Force takes networks that are too wide for an allow list, too.
	Force bool
}

// Import is what was read from fail2ban and then, by Send or Store, what was taken
// over.
type Import struct {
	Bans    []Ban              `json:"bans"`
	Allowed []config.AllowItem `json:"allowed"`
	Skipped []Skipped          `json:"skipped"`
	// Offline says that no daemon ran: it takes effect with the next start.
	Offline bool `json:"offline"`

	now time.Time
}

// Ban is one ban of fail2ban's.
type Ban struct {
	Prefix netip.Prefix `json:"prefix"`
	Jail   string       `json:"jail"`
	Since  time.Time    `json:"since"`
	Until  *time.Time   `json:"until"` // null: until it is released
}

// Skipped is what was not imported, and why.
type Skipped struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Read reads what fail2ban knows and changes nothing.
func Read(ctx context.Context, now time.Time, s Source) (*Import, error) {
	bans, err := ledger.Fail2ban(ctx, s.DB, now, s.BanTime)
	if err != nil {
		return nil, err
	}
	im := &Import{Bans: []Ban{}, Allowed: []config.AllowItem{}, Skipped: []Skipped{}, now: now}
	if err := im.readIgnored(s); err != nil {
		return nil, err
	}
	im.readBans(bans, s.Jails)
	return im, nil
}

func (im *Import) skip(what, why string) { im.Skipped = append(im.Skipped, Skipped{what, why}) }

// readBans takes the jails' bans; of an address with several, the longest.
func (im *Import) readBans(bans []ledger.ForeignBan, jails []string) {
	at := map[netip.Prefix]int{}
	for _, b := range bans {
		if len(jails) > 0 && !slices.Contains(jails, b.Jail) {
			continue
		}
		prefix, err := config.ParsePrefix(b.IP)
		if err != nil {
			im.skip(b.IP, "banned by "+b.Jail+", not an address")
			continue
		}
		ban := Ban{Prefix: prefix, Jail: b.Jail, Since: b.Since}
		if !b.Until.IsZero() {
			ban.Until = &b.Until
		}
		i, known := at[prefix]
		switch {
		case !known:
			at[prefix] = len(im.Bans)
			im.Bans = append(im.Bans, ban)
		case im.Bans[i].Until != nil && (ban.Until == nil || ban.Until.After(*im.Bans[i].Until)):
			im.Bans[i] = ban
		}
	}
}

// reason is why an imported address is banned.
func (b Ban) reason() string { return "imported from fail2ban, jail " + b.Jail }

// left is the time that a ban has left, as an order writes it.
func (b Ban) left(now time.Time) string {
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
			im.skip(incident.PrefixText(b.Prefix), err.Error())
			continue
		}
		im.Bans = append(im.Bans, b)
	}
}

// allow passes add what have does not cover, and keeps what add accepted.
func (im *Import) allow(have []config.AllowItem, add func(config.AllowItem) error) {
	wanted := im.Allowed
	im.Allowed = im.Allowed[:0]
	for _, item := range wanted {
		if slices.ContainsFunc(have, item.CoveredBy) {
			continue
		}
		if err := add(item); err != nil {
			im.skip(item.What(), err.Error())
			continue
		}
		have = append(have, item)
		im.Allowed = append(im.Allowed, item)
	}
}

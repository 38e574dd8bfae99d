package fail2ban

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Where fail2ban keeps what is imported.
const (
	DefaultDB     = "/var/lib/fail2ban/fail2ban.sqlite3"
	DefaultFolder = "/etc/fail2ban"
)

// Source says what is imported.
type Source struct {
	DB    string   // fail2ban's database
	Jails []string // whose bans; none is all that cover Asterisk's ports
	// Folder is fail2ban's configuration; "" is DefaultFolder, if it exists.
	Folder string
	// IgnoreIP are files to read instead of those of the folder.
	IgnoreIP []string
	// BanTime is how long bans last that have no time in the database (fail2ban
	// before 0.11). Negative is forever.
	BanTime time.Duration
	// Force takes networks that are too wide for an allow list, too.
	Force bool
	// Own are this host's addresses and networks, which are not banned.
	Own []netip.Prefix
}

// Read reads what fail2ban knows and changes nothing.
func Read(ctx context.Context, now time.Time, s Source) (*takeover.Import, error) {
	bans, err := ledger.Fail2ban(ctx, s.DB, now, s.BanTime)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fail2ban's database %s is not there: fail2ban is not installed or has never run; if its database is elsewhere, name it with --db", s.DB)
	}
	if err != nil {
		return nil, err
	}
	c, err := configurationOf(s)
	if err != nil {
		return nil, err
	}
	im := takeover.New("fail2ban", "fail2ban ignoreip", now, s.Own)
	readIgnored(im, c, s)
	readBans(im, c, bans, s.Jails)
	return im, nil
}

// readBans takes the bans of the jails that are named or, if none is, of those that cover
// Asterisk's ports and those that the configuration does not have any more.
func readBans(im *takeover.Import, c *configuration, bans []ledger.ForeignBan, jails []string) {
	others := map[string]int{}
	configured := map[string]*jail{}
	for _, j := range c.jails() {
		configured[j.name] = &j
	}
	for _, b := range bans {
		j := configured[b.Jail]
		switch {
		case len(jails) > 0 && !slices.Contains(jails, b.Jail):
			continue
		case len(jails) == 0 && j != nil && !j.covers():
			others[b.Jail]++
			continue
		}
		prefix, err := config.ParsePrefix(b.IP)
		if err != nil {
			im.Skip(b.IP, "banned by "+b.Jail+", not an address")
			continue
		}
		im.Ban(prefix, b.Jail, b.Since, b.Until)
	}
	names := make([]string, 0, len(others))
	for name := range others {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		im.Skip(fmt.Sprintf("%s of jail %s", incident.Count(others[name], "ban"), name), fmt.Sprintf("it covers the ports %s, none of Asterisk's: --jail %s imports them", configured[name].ports, name))
	}
}

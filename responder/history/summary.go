package history

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/cdr"
)

// Summary says what was read, and what was learned of it.
type Summary struct {
	Records    uint64
	Old        uint64 // older than MaxAge, or of the future
	More       bool   // there were more than MaxRecords
	Bad        uint64 // that could not be read
	Example    string // the first of these
	From, To   time.Time
	Since      time.Time // since when the site's calls are known; zero: the records are too old
	Accounts   int       // that called the outside
	Countries  int       // usual ones, of all accounts
	Places     int
	Costly     uint64 // costly calls
	Taught     int    // of these
	Risky      uint64 // known for fraud or forbidden: they teach nothing
	Suspicious int    // on suspicious days or nights: they teach nothing, either
	Young      uint64 // of the last day
	Left       uint64 // for lack of room
	Suspects   []Suspicion
}

func (s *Summary) see(r *cdr.Record) {
	if s.From.IsZero() || r.Start.Before(s.From) {
		s.From = r.Start
	}
	if r.Start.After(s.To) {
		s.To = r.Start
	}
}

// Words say it in one line.
func (s *Summary) Words() string {
	if s.Records == s.Old {
		return fmt.Sprintf("no calls of the last %d days in %d records%s", int(MaxAge.Hours()/24), s.Records, s.unread())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d records from %s to %s: %s that call out, with %s in all; %s abroad or to costly numbers",
		s.Records-s.Old, s.From.Format(time.DateOnly), s.To.Format(time.DateOnly), plural(s.Accounts, "extension"), plural(s.Countries, "usual country", "usual countries"), plural(int(s.Costly), "call"))
	var not []string
	for _, x := range []struct {
		n   int
		why string
	}{{int(s.Risky), "to forbidden numbers or numbers known for fraud"}, {s.Suspicious, "of days or nights that look like fraud"}, {int(s.Young), "of the last day"}} {
		if x.n > 0 {
			not = append(not, fmt.Sprintf("%d %s", x.n, x.why))
		}
	}
	if len(not) > 0 {
		b.WriteString(", of which these taught nothing: " + strings.Join(not, ", "))
	}
	b.WriteString("; records have no IP addresses, so home networks are learned from registrations")
	switch {
	case s.More:
		fmt.Fprintf(&b, "; there are more than %d records: the rest was not read", MaxRecords)
	case s.Left > 0:
		fmt.Fprintf(&b, "; %d of what they teach did not fit", s.Left)
	}
	b.WriteString(s.unread())
	if s.Since.IsZero() {
		b.WriteString("; the newest record is older than a week, so learning takes as long as without records")
	}
	return b.String()
}

func (s *Summary) unread() string {
	if s.Bad == 0 {
		return ""
	}
	return fmt.Sprintf("; %d rows could not be read, the first: %q", s.Bad, s.Example)
}

// Words say what is suspicious.
func (x *Suspicion) Words() string {
	days := x.First.Format(time.DateOnly)
	if !x.Last.Equal(x.First) {
		days += " to " + x.Last.Format(time.DateOnly)
	}
	return fmt.Sprintf("%s: %s abroad or to costly numbers that look like fraud, %s", x.Account, plural(x.Calls, "call"), days)
}

func plural(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}

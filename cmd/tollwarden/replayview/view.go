package replayview

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/replay"
)

// View is a replay as a person reads it, on paper or on a terminal.
type View struct {
	Summary string
	Tables  []Table
}

// Table is one of its tables; an empty one is left out.
type Table struct {
	Title, Note string
	Heading     []string
	Rows        [][]string
	More        string // what was left out
}

// accountsShown is how many accounts a person reads.
const accountsShown = 50

// Of makes the tables of a result.
func Of(r *replay.Result) View {
	if r.From.IsZero() {
		return View{Summary: "These files contain no event with a time.", Tables: []Table{filesTable(r)}}
	}
	v := View{Summary: fmt.Sprintf("From %s to %s: %s, %s, %s blocked.",
		output.Time(r.From), output.Time(r.To), incident.Count(int(r.Counters.Observations+r.Counters.Signs), "observation"), incident.Count(int(r.Counters.Incidents), "incident"), addresses(len(r.Bans)))}
	if r.Counters.NotIssued > 0 {
		v.Summary += " " + incident.Count(int(r.Counters.NotIssued), "time") + " an attacker evaded the manager interface: set asterisk.log."
	}
	if r.Assumed > 0 {
		v.Summary += " Phones that answered a challenge over UDP count as confirmed, as nearly all are live: files do not show where challenges went."
	}
	for _, t := range []Table{filesTable(r), timeline(r), bansTable(r), accountsTable(r)} {
		if len(t.Rows) > 0 {
			v.Tables = append(v.Tables, t)
		}
	}
	return v
}

func filesTable(r *replay.Result) Table {
	t := Table{Title: "Files", Heading: []string{"File", "Format", "Lines", "Events", "Damaged", "Examples"}}
	for _, f := range r.Files {
		var samples []string
		for _, d := range f.Samples {
			samples = append(samples, fmt.Sprintf("line %d: %s: %s", d.Line, d.Why, d.Text))
		}
		switch f.Trust {
		case logfile.LocalUsers:
			t.Note = "Any program on that host can write such lines of syslog and the journal: what they say may be spoofed, and successes in them do not count."
		case logfile.Anyone:
			t.Note = "A caller's name with a line feed makes further lines at Asterisk's console: what they say may be spoofed, and successes in them do not count."
		}
		t.Rows = append(t.Rows, []string{f.Path, string(f.Format), fmt.Sprint(f.Lines), fmt.Sprint(f.Read), fmt.Sprint(f.Damaged), strings.Join(samples, "; ")})
	}
	var more []string
	for _, f := range r.Files {
		for _, n := range f.Notes {
			more = append(more, fmt.Sprintf("%s: %d %s; the first is in line %d: %s", f.Path, n.Count, n.What, n.Line, output.Plain(n.Text)))
		}
	}
	var skipped []string
	for _, f := range r.Skipped {
		skipped = append(skipped, output.Plain(f.Path+": "+f.Why))
	}
	if len(skipped) > 0 {
		more = append(more, "Not read: "+strings.Join(skipped, "; "))
	}
	t.More = strings.Join(more, "\n")
	return t
}

// addresses counts IP addresses.
func addresses(n int) string {
	if n == 1 {
		return "1 IP address"
	}
	return fmt.Sprintf("%d IP addresses", n)
}

func timeline(r *replay.Result) Table {
	t := Table{Title: "Timeline", Heading: []string{"Time", "Threshold", "Who", "Reason", "Would"}}
	for i := range r.Incidents {
		in := &r.Incidents[i]
		t.Rows = append(t.Rows, []string{output.Time(in.At), in.Threshold, in.Key.String(), in.Reason, would(in)})
	}
	if r.Dropped > 0 {
		t.More = "and " + incident.Count(int(r.Dropped), "more incident")
	}
	return t
}

// would says what an incident's steps would have done.
func would(i *incident.Incident) string {
	words := make([]string, len(i.Steps))
	for n, s := range i.Steps {
		done, ok := strings.CutPrefix(s.Detail, "mode is observe: would ")
		if !ok {
			done = fmt.Sprintf("not %s (%s)", s.Step, s.Detail)
		}
		words[n] = done
	}
	return strings.Join(words, "; ")
}

func bansTable(r *replay.Result) Table {
	t := Table{
		Title: "Bans", Note: "Correct passwords that a ban would have stopped may come from a legitimate phone.",
		Heading: []string{"IP address", "Times", "Last", "Until", "Scope", "Stopped", "Correct passwords", "Reason"},
	}
	for i := range r.Bans {
		b := &r.Bans[i]
		t.Rows = append(t.Rows, []string{
			incident.PrefixText(b.Prefix), fmt.Sprint(b.Times), output.Time(b.Since), output.Until(b.Until), string(cmp.Or(b.Scope, incident.ScopeAll)), fmt.Sprint(b.Stopped), fmt.Sprint(b.Logins), b.Reason,
		})
	}
	return t
}

func accountsTable(r *replay.Result) Table {
	t := Table{Title: "Extensions", Heading: []string{"Extension", "Incidents", "Wrong passwords", "Correct passwords"}}
	for i, a := range r.Accounts {
		if i == accountsShown {
			t.More = fmt.Sprintf("and %d more: --json lists them all", len(r.Accounts)-i)
			break
		}
		t.Rows = append(t.Rows, []string{a.Name, fmt.Sprint(a.Incidents), fmt.Sprint(a.Failures), fmt.Sprint(a.Logins)})
	}
	return t
}

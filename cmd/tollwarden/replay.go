package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/replay"
	"github.com/tollwarden/tollwarden/responder/report"
)

func newReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay FILE...", Short: "Show what this configuration would have done with recorded files", Args: args(cobra.MinimumNArgs(1)),
		Long: "Show what this configuration would have done, in virtual time and without changing anything.\n\n" +
			"The files may be Asterisk's logs (security, messages, full; rotated ones, also compressed by gzip),\n" +
			"transcripts of the manager interface, and call records (Master.csv), in any mixture. A month of a\n" +
			"log tells, before the first day in mode enforce, whom it would have caught, and whom it would have hit.",
	}
	file := configFlag(cmd)
	asJSON := jsonFlag(cmd)
	observations := cmd.Flags().Bool("observations", false, "print every observation instead, one JSON object a line")
	asHTML := cmd.Flags().Bool("html", false, "print one page that needs nothing else, to hand on")
	cmd.MarkFlagsMutuallyExclusive("json", "html", "observations")
	zone := cmd.Flags().String("zone", "Local", "the time `ZONE` of dates that name none, such as Europe/London")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		location, err := time.LoadLocation(*zone)
		if err != nil {
			return usage(fmt.Errorf("--zone: %w", err))
		}
		o, err := replayOptions(cmd, *file)
		if err != nil {
			return err
		}
		o.Zone = location
		out := cmd.OutOrStdout()
		bar := newBar(cmd.ErrOrStderr())
		if bar != nil {
			o.Progress = bar.show
		}
		if *observations {
			enc := json.NewEncoder(report.JSON(out))
			o.Saw = func(seen *replay.Observation) { _ = enc.Encode((*observed)(seen)) }
		}
		result, err := replay.Run(cmd.Context(), paths, o)
		if bar != nil {
			bar.clear()
		}
		switch {
		case err != nil:
			return err
		case *observations:
			return nil
		case *asJSON:
			return printJSON(out, replayJSON(result))
		}
		if *asHTML {
			return retell(result).page(out)
		}
		retell(result).print(out)
		return nil
	}
	return cmd
}

// replayOptions are those of the configuration and its allow file, or of the
// built-in one where none was named and none is installed.
func replayOptions(cmd *cobra.Command, path string) (o replay.Options, err error) {
	cfg := config.Default()
	_, err = os.Stat(path)
	if named := cmd.Flags().Changed("config"); named || !errors.Is(err, fs.ErrNotExist) {
		if cfg, err = loadConfig(path); err != nil {
			return o, err
		}
	}
	host, _, _ := net.SplitHostPort(cfg.Asterisk.Address)
	if own, err := netip.ParseAddr(host); err == nil && own.IsLoopback() {
		o.Own = own // beside Asterisk; elsewhere it is not known from where it is called
	}
	if o.Policy, err = policyOf(cfg); err != nil {
		return o, err
	}
	allowed, err := config.LoadAllowFile(allowPath(cfg))
	if err != nil {
		return o, err
	}
	for _, e := range allowed.Entries() {
		o.Policy.Allow = append(o.Policy.Allow, e.Prefix)
	}
	return o, nil
}

// observed writes an observation as --observations promises.
type observed replay.Observation

// MarshalJSON writes the keys in their order.
func (o *observed) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		At      time.Time `json:"at"`
		Sensor  string    `json:"sensor"`
		Kind    string    `json:"kind"`
		Source  string    `json:"source"`
		Account string    `json:"account"`
		Session string    `json:"session"`
		Proof   string    `json:"proof"`
	}(*o))
}

// replayed is the JSON of a replay.
type replayed struct {
	From      time.Time           `json:"from"`
	To        time.Time           `json:"to"`
	Files     []replayedFile      `json:"files"`
	Bans      []replayedBan       `json:"bans"`
	Incidents []incident.Incident `json:"incidents"`
	Accounts  []replayedAccount   `json:"accounts"`
	Counters  map[string]uint64   `json:"counters"`
}

type replayedFile struct {
	Path    string           `json:"path"`
	Format  string           `json:"format"`
	Lines   uint64           `json:"lines"`
	Read    uint64           `json:"read"`
	Damaged uint64           `json:"damaged"`
	Samples []replayedDamage `json:"samples"`
}

type replayedDamage struct {
	Line uint64 `json:"line"`
	Why  string `json:"why"`
	Text string `json:"text"`
}

type replayedBan struct {
	incident.Ban
	Times   int    `json:"times"`
	Stopped uint64 `json:"stopped"`
	Logins  uint64 `json:"logins"`
}

// MarshalJSON writes the keys of the ban, which has a MarshalJSON of its own, and
// then the others.
func (b replayedBan) MarshalJSON() ([]byte, error) {
	ban, err := json.Marshal(b.Ban)
	if err != nil {
		return nil, err
	}
	rest := fmt.Appendf(nil, `,"times":%d,"stopped":%d,"logins":%d}`, b.Times, b.Stopped, b.Logins)
	return append(bytes.TrimSuffix(ban, []byte("}")), rest...), nil
}

type replayedAccount struct {
	Account   string `json:"account"`
	Failures  uint64 `json:"failures"`
	Logins    uint64 `json:"logins"`
	Incidents int    `json:"incidents"`
}

func replayJSON(r *replay.Result) replayed {
	shown := replayed{
		From: r.From, To: r.To, Files: []replayedFile{}, Bans: []replayedBan{}, Incidents: []incident.Incident{}, Accounts: []replayedAccount{},
		Counters: map[string]uint64{
			"events": r.Counters.Events, "observations": r.Counters.Observations, "verdicts": r.Counters.Verdicts,
			"incidents": r.Counters.Incidents, "incidents_not_shown": r.Dropped,
			"tampered": r.Counters.Tampered, "events_not_issued": r.Counters.Blinded,
		},
	}
	for _, f := range r.Files {
		shown.Files = append(shown.Files, showReplayedFile(f))
	}
	for i := range r.Bans {
		b := &r.Bans[i]
		shown.Bans = append(shown.Bans, replayedBan{b.Ban, b.Times, b.Stopped, b.Logins})
	}
	shown.Incidents = append(shown.Incidents, r.Incidents...)
	for _, a := range r.Accounts {
		shown.Accounts = append(shown.Accounts, replayedAccount{a.Name, a.Failures, a.Logins, a.Incidents})
	}
	return shown
}

func showReplayedFile(f replay.File) replayedFile {
	shown := replayedFile{f.Path, string(f.Format), f.Lines, f.Read, f.Damaged, []replayedDamage{}}
	for _, d := range f.Samples {
		shown.Samples = append(shown.Samples, replayedDamage{d.Line, d.Why, strings.ToValidUTF8(d.Text, "�")})
	}
	return shown
}

// retelling is a replay as a person reads it, on paper or on a terminal.
type retelling struct {
	Summary string
	Tables  []retoldTable
}

// retoldTable is one of its tables; one without rows is left out.
type retoldTable struct {
	Title, Note string
	Heading     []string
	Rows        [][]string
	More        string // what no longer fitted
}

// accountsShown is how many accounts a person reads.
const accountsShown = 50

func retell(r *replay.Result) retelling {
	if r.From.IsZero() {
		return retelling{Summary: "Nothing in these files has a time and a meaning.", Tables: []retoldTable{filesTable(r)}}
	}
	told := retelling{Summary: fmt.Sprintf("From %s to %s: %s, %s, %s banned.",
		clock(r.From), clock(r.To), incident.Count(int(r.Counters.Observations+r.Counters.Signs), "observation"), incident.Count(int(r.Counters.Incidents), "incident"), incident.Count(len(r.Bans), "source"))}
	if r.Counters.Blinded > 0 {
		told.Summary += " " + incident.Count(int(r.Counters.Blinded), "time") + " somebody hid from the manager interface: set asterisk.log."
	}
	for _, t := range []retoldTable{filesTable(r), timeline(r), bansTable(r), accountsTable(r)} {
		if len(t.Rows) > 0 {
			told.Tables = append(told.Tables, t)
		}
	}
	return told
}

func filesTable(r *replay.Result) retoldTable {
	t := retoldTable{Title: "Files", Heading: []string{"File", "Format", "Lines", "Tell of something", "Damaged", "For instance"}}
	for _, f := range r.Files {
		var samples []string
		for _, d := range f.Samples {
			samples = append(samples, fmt.Sprintf("line %d: %s: %s", d.Line, d.Why, d.Text))
		}
		t.Rows = append(t.Rows, []string{f.Path, string(f.Format), fmt.Sprint(f.Lines), fmt.Sprint(f.Read), fmt.Sprint(f.Damaged), strings.Join(samples, "; ")})
	}
	return t
}

func timeline(r *replay.Result) retoldTable {
	t := retoldTable{Title: "Timeline", Heading: []string{"Time", "Threshold", "Who", "Reason", "Would"}}
	for i := range r.Incidents {
		in := &r.Incidents[i]
		t.Rows = append(t.Rows, []string{clock(in.At), in.Threshold, in.Key.String(), in.Reason, would(in)})
	}
	if r.Dropped > 0 {
		t.More = "and " + incident.Count(int(r.Dropped), "incident") + " more"
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

func bansTable(r *replay.Result) retoldTable {
	t := retoldTable{
		Title: "Bans", Note: "Right passwords that a ban would have stopped may be somebody who belongs there.",
		Heading: []string{"Source", "Times", "Last", "Until", "Scope", "Stopped", "Right passwords", "Reason"},
	}
	for i := range r.Bans {
		b := &r.Bans[i]
		t.Rows = append(t.Rows, []string{
			incident.PrefixText(b.Prefix), fmt.Sprint(b.Times), clock(b.Since), until(b.Until), string(cmp.Or(b.Scope, incident.ScopeAll)), fmt.Sprint(b.Stopped), fmt.Sprint(b.Logins), b.Reason,
		})
	}
	return t
}

func accountsTable(r *replay.Result) retoldTable {
	t := retoldTable{Title: "Accounts", Heading: []string{"Account", "Incidents", "Wrong passwords", "Right ones"}}
	for i, a := range r.Accounts {
		if i == accountsShown {
			t.More = fmt.Sprintf("and %d more: --json has them all", len(r.Accounts)-i)
			break
		}
		t.Rows = append(t.Rows, []string{a.Name, fmt.Sprint(a.Incidents), fmt.Sprint(a.Failures), fmt.Sprint(a.Logins)})
	}
	return t
}

// print writes the retelling to a terminal.
func (s retelling) print(w io.Writer) {
	fmt.Fprintln(w, s.Summary)
	for _, t := range s.Tables {
		fmt.Fprintf(w, "\n%s\n", t.Title)
		if t.Note != "" {
			fmt.Fprintln(w, t.Note)
		}
		heading := make([]string, len(t.Heading))
		for i, h := range t.Heading {
			heading[i] = strings.ToUpper(h)
		}
		out := newTable(w, heading...)
		for _, row := range t.Rows {
			out.row(row...)
		}
		out.flush()
		if t.More != "" {
			fmt.Fprintln(w, t.More)
		}
	}
}

//go:embed replay.html
var replayPage string

var replayTemplate = template.Must(template.New("replay").Parse(replayPage))

// page writes the retelling as one page that needs nothing else.
func (s retelling) page(w io.Writer) error {
	for _, t := range s.Tables {
		for _, row := range t.Rows {
			for i, cell := range row {
				row[i] = plain(cell)
			}
		}
	}
	return replayTemplate.Execute(w, s)
}

// bar is the progress of a replay on a terminal.
type bar struct {
	w    io.Writer
	last time.Time
}

// newBar makes a bar on a terminal, and none elsewhere.
func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &bar{w: w}
}

func (b *bar) show(p replay.Progress) {
	const width, every = 30, 200 * time.Millisecond
	if now := time.Now(); now.Sub(b.last) < every {
		return
	} else {
		b.last = now
	}
	part := 1.0
	if p.Size > 0 {
		part = min(1, float64(p.Read)/float64(p.Size))
	}
	full := int(part * width)
	fmt.Fprintf(b.w, "\r[%s%s] %3.0f%%  %s  %d observations ", strings.Repeat("#", full), strings.Repeat(".", width-full), part*100, clock(p.At), p.Items)
}

func (b *bar) clear() { fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", 100)) }

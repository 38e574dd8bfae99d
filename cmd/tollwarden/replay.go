package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/replay"
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
	zone := cmd.Flags().String("zone", "Local", "the time `ZONE` of dates that name none, such as Europe/London")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		location, err := time.LoadLocation(*zone)
		if err != nil {
			return usage(fmt.Errorf("--zone: %w", err))
		}
		policy, err := replayPolicy(cmd, *file)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		o := replay.Options{Policy: policy, Zone: location}
		bar := newBar(cmd.ErrOrStderr())
		if bar != nil {
			o.Progress = bar.show
		}
		if *observations {
			enc := json.NewEncoder(out)
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
		printReplay(out, result)
		return nil
	}
	return cmd
}

// replayPolicy is that of the configuration, or the built-in one where none
// was named and none is installed.
func replayPolicy(cmd *cobra.Command, path string) (responder.Policy, error) {
	cfg := config.Default()
	_, err := os.Stat(path)
	if named := cmd.Flags().Changed("config"); named || !errors.Is(err, fs.ErrNotExist) {
		if cfg, err = loadConfig(path); err != nil {
			return responder.Policy{}, err
		}
	}
	return policyOf(cfg)
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
	From      time.Time          `json:"from"`
	To        time.Time          `json:"to"`
	Files     []replayedFile     `json:"files"`
	Bans      []replayedBan      `json:"bans"`
	Incidents []control.Incident `json:"incidents"`
	Accounts  []replayedAccount  `json:"accounts"`
	Counters  map[string]uint64  `json:"counters"`
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
	control.Ban
	Times   int    `json:"times"`
	Stopped uint64 `json:"stopped"`
	Logins  uint64 `json:"logins"`
}

type replayedAccount struct {
	Account   string `json:"account"`
	Failures  uint64 `json:"failures"`
	Logins    uint64 `json:"logins"`
	Incidents int    `json:"incidents"`
}

func replayJSON(r *replay.Result) replayed {
	shown := replayed{
		From: r.From, To: r.To, Files: []replayedFile{}, Bans: []replayedBan{}, Incidents: []control.Incident{}, Accounts: []replayedAccount{},
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
		shown.Bans = append(shown.Bans, replayedBan{showBans([]responder.Ban{b.Ban})[0], b.Times, b.Stopped, b.Logins})
	}
	for i := range r.Incidents {
		shown.Incidents = append(shown.Incidents, showIncident(&r.Incidents[i]))
	}
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

// printReplay tells a replay to a person.
func printReplay(w io.Writer, r *replay.Result) {
	for _, f := range r.Files {
		fmt.Fprintf(w, "%s: %s, %d lines, %d tell of something, %d damaged\n", plain(f.Path), f.Format, f.Lines, f.Read, f.Damaged)
		for _, d := range f.Samples {
			fmt.Fprintf(w, "  line %d: %s: %s\n", d.Line, d.Why, plain(d.Text))
		}
	}
	if r.From.IsZero() {
		fmt.Fprintln(w, "\nNothing in these files has a time and a meaning.")
		return
	}
	fmt.Fprintf(w, "\nFrom %s to %s: %d observations, %d incidents, %d sources banned.\n",
		clock(r.From), clock(r.To), r.Counters.Observations, r.Counters.Incidents, len(r.Bans))
	if r.Counters.Blinded > 0 {
		fmt.Fprintf(w, "%d times somebody hid from the manager interface: set asterisk.log.\n", r.Counters.Blinded)
	}
	printTimeline(w, r)
	printReplayedBans(w, r)
	printReplayedAccounts(w, r)
}

func printTimeline(w io.Writer, r *replay.Result) {
	if len(r.Incidents) == 0 {
		return
	}
	fmt.Fprintln(w, "\nTimeline")
	t := newTable(w, "TIME", "THRESHOLD", "KEY", "REASON", "WOULD")
	for i := range r.Incidents {
		in := &r.Incidents[i]
		t.row(clock(in.At), in.Threshold, in.Key.String(), in.Reason, would(in))
	}
	t.flush()
	if r.Dropped > 0 {
		fmt.Fprintf(w, "and %d incidents more\n", r.Dropped)
	}
}

// would says what an incident's steps would have done.
func would(i *responder.Incident) string {
	words := make([]string, len(i.Steps))
	for n, s := range i.Steps {
		done, ok := strings.CutPrefix(s.Detail, "mode is observe: would ")
		switch {
		case ok:
			words[n] = done
		default:
			words[n] = fmt.Sprintf("not %s (%s)", s.Kind, s.Detail)
		}
	}
	return strings.Join(words, "; ")
}

func printReplayedBans(w io.Writer, r *replay.Result) {
	if len(r.Bans) == 0 {
		return
	}
	fmt.Fprintln(w, "\nBans. Right passwords that a ban would have stopped may be somebody who belongs there.")
	t := newTable(w, "SOURCE", "TIMES", "LAST", "UNTIL", "SCOPE", "STOPPED", "RIGHT PASSWORDS", "REASON")
	for i := range r.Bans {
		b := &r.Bans[i]
		shown := showBans([]responder.Ban{b.Ban})[0]
		t.row(showPrefix(b.Prefix), fmt.Sprint(b.Times), clock(b.Since), until(shown.Until), shown.Scope, fmt.Sprint(b.Stopped), fmt.Sprint(b.Logins), b.Reason)
	}
	t.flush()
}

// accountsShown is how many accounts a person reads.
const accountsShown = 50

func printReplayedAccounts(w io.Writer, r *replay.Result) {
	if len(r.Accounts) == 0 {
		return
	}
	fmt.Fprintln(w, "\nAccounts")
	t := newTable(w, "ACCOUNT", "INCIDENTS", "WRONG PASSWORDS", "RIGHT ONES")
	for i, a := range r.Accounts {
		if i == accountsShown {
			break
		}
		t.row(a.Name, fmt.Sprint(a.Incidents), fmt.Sprint(a.Failures), fmt.Sprint(a.Logins))
	}
	t.flush()
	if more := len(r.Accounts) - accountsShown; more > 0 {
		fmt.Fprintf(w, "and %d more: --json has them all\n", more)
	}
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

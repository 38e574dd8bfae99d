package replayview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/replay"
)

// Observation is an observation as --observations prints it.
type Observation replay.Observation

// MarshalJSON writes the keys in their order.
func (o *Observation) MarshalJSON() ([]byte, error) {
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

// Document is the JSON of a replay.
type Document struct {
	From      time.Time           `json:"from"`
	To        time.Time           `json:"to"`
	Files     []File              `json:"files"`
	Skipped   []Skipped           `json:"skipped"`
	Bans      []Ban               `json:"bans"`
	Incidents []incident.Incident `json:"incidents"`
	Accounts  []Account           `json:"accounts"`
	Counters  map[string]uint64   `json:"counters"`
}

// File is how one file was read.
type File struct {
	Path    string   `json:"path"`
	Format  string   `json:"format"`
	Lines   uint64   `json:"lines"`
	Read    uint64   `json:"read"`
	Damaged uint64   `json:"damaged"`
	Samples []Damage `json:"samples"`
	Notes   []Note   `json:"notes"`
}

// Note is what of a file is not fully understood.
type Note struct {
	What  string `json:"what"`
	Count uint64 `json:"count"`
	Line  uint64 `json:"line"` // the first
	Text  string `json:"text"`
}

// Damage is one line that could not be read.
type Damage struct {
	Line uint64 `json:"line"`
	Why  string `json:"why"`
	Text string `json:"text"`
}

// Skipped is a file of a folder that was not read.
type Skipped struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// Ban is a ban that would have been, and what it would have stopped.
type Ban struct {
	incident.Ban
	Times   int    `json:"times"`
	Stopped uint64 `json:"stopped"`
	Logins  uint64 `json:"logins"`
}

// MarshalJSON writes the keys of the ban, which has a MarshalJSON of its own, and
// then the others.
func (b Ban) MarshalJSON() ([]byte, error) {
	ban, err := json.Marshal(b.Ban)
	if err != nil {
		return nil, err
	}
	rest := fmt.Appendf(nil, `,"times":%d,"stopped":%d,"logins":%d}`, b.Times, b.Stopped, b.Logins)
	return append(bytes.TrimSuffix(ban, []byte("}")), rest...), nil
}

// Account is what happened to one account.
type Account struct {
	Account   string `json:"account"`
	Failures  uint64 `json:"failures"`
	Logins    uint64 `json:"logins"`
	Incidents int    `json:"incidents"`
}

// JSON is the result as --json prints it.
func JSON(r *replay.Result) Document {
	shown := Document{
		From: r.From, To: r.To, Files: []File{}, Skipped: []Skipped{}, Bans: []Ban{}, Incidents: []incident.Incident{}, Accounts: []Account{},
		Counters: map[string]uint64{
			"events": r.Counters.Events, "observations": r.Counters.Observations, "verdicts": r.Counters.Verdicts,
			"incidents": r.Counters.Incidents, "incidents_not_shown": r.Dropped, "assumed_confirmed": r.Assumed,
			"tampered": r.Counters.Tampered, "events_not_issued": r.Counters.NotIssued,
		},
	}
	for _, f := range r.Files {
		shown.Files = append(shown.Files, showFile(f))
	}
	for _, f := range r.Skipped {
		shown.Skipped = append(shown.Skipped, Skipped(f))
	}
	for i := range r.Bans {
		b := &r.Bans[i]
		shown.Bans = append(shown.Bans, Ban{b.Ban, b.Times, b.Stopped, b.Logins})
	}
	shown.Incidents = append(shown.Incidents, r.Incidents...)
	for _, a := range r.Accounts {
		shown.Accounts = append(shown.Accounts, Account{a.Name, a.Failures, a.Logins, a.Incidents})
	}
	return shown
}

// showFile lists the first lines that could not be read, too.
func showFile(f replay.File) File {
	shown := File{f.Path, string(f.Format), f.Lines, f.Read, f.Damaged, []Damage{}, []Note{}}
	for _, d := range f.Samples {
		shown.Samples = append(shown.Samples, Damage{d.Line, d.Why, strings.ToValidUTF8(d.Text, "�")})
	}
	for _, n := range f.Notes {
		shown.Notes = append(shown.Notes, Note{n.What, n.Count, n.Line, strings.ToValidUTF8(n.Text, "\ufffd")})
	}
	return shown
}

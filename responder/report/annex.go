package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Annex is the evidence as it was recorded: one JSON object a line, first every
// observation with the lines of Asterisk's that it was read from, then every
// call; times are UTC.
type Annex struct {
	Data   []byte
	SHA256 string // of Data, in hex; "": this is not what is on record
	Name   string // a file name for it
	Note   string // of what it lacks; "": nothing
}

func annexOf(i *incident.Incident) Annex {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the page escapes it by its place
	bare := 0
	for _, o := range i.Evidence {
		if len(o.Raw) == 0 {
			bare++
		}
		o.At = o.At.UTC()
		_ = enc.Encode(o) // into memory: it cannot fail
	}
	for _, c := range i.Calls {
		c.Began = c.Began.UTC()
		c.Ended, c.Answered = c.Ended.UTC(), c.Answered.UTC()
		_ = enc.Encode(c)
	}
	a := Annex{Data: escape(b.String(), ascii), Name: "incident-" + strconv.FormatInt(i.ID, 10) + "-evidence.jsonl"}
	if i.Bare {
		a.Note = fmt.Sprintf("Neither calls nor Asterisk's own lines are here, since the ledger could not be read: `tollwarden incident %d --annex` prints what is on record.", i.ID)
		return a
	}
	sum := sha256.Sum256(a.Data)
	a.SHA256 = hex.EncodeToString(sum[:])
	if bare > 0 {
		a.Note = fmt.Sprintf("Of the %s %d stand here without Asterisk's own lines: what came long before the decision has lost them.", incident.Count(len(i.Evidence), "observation"), bare)
	}
	return a
}

// ascii is true for characters that look the same everywhere.
func ascii(r rune) bool { return r < 0x7f }

// Text is the annex for the page.
func (a Annex) Text() string { return string(a.Data) }

// URL holds the annex itself, to be saved. All in it is base64 that we made.
func (a Annex) URL() template.URL {
	return template.URL("data:application/jsonl;base64," + base64.StdEncoding.EncodeToString(a.Data))
}

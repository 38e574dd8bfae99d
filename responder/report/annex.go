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
	"strings"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Annex is the evidence as it was recorded, one JSON object per line: first every
// observation with the lines from Asterisk, then every call. Times are UTC.
type Annex struct {
	Data   []byte
	SHA256 string // of Data, in hex; "": Data is incomplete
	Name   string // suggested file name
	Note   string // says what is missing; "": nothing
}

func annexOf(i *incident.Incident) Annex {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // html/template escapes it in the page
	bare := 0
	for _, o := range i.Evidence {
		if len(o.Raw) == 0 {
			bare++
		}
		o.At = o.At.UTC()
		_ = enc.Encode(o) // writing to a Buffer cannot fail
	}
	for _, c := range i.Calls {
		c.Began = c.Began.UTC()
		c.Ended, c.Answered = c.Ended.UTC(), c.Answered.UTC()
		_ = enc.Encode(c)
	}
	a := Annex{Data: escape(b.String(), ascii), Name: "incident-" + strconv.FormatInt(i.ID, 10) + "-evidence.jsonl"}
	if i.Bare {
		a.Note = fmt.Sprintf("Calls and Asterisk's own lines are missing, because the ledger could not be read. `tollwarden incident %d --annex` prints everything on record.", i.ID)
		return a
	}
	sum := sha256.Sum256(a.Data)
	a.SHA256 = hex.EncodeToString(sum[:])
	if i.Shared() {
		a.Note = sharedNote
	}
	if bare > 0 {
		a.Note = strings.TrimPrefix(a.Note+" "+fmt.Sprintf("Asterisk's own lines are missing for %d of %s: they are kept only for a short time before an incident.", bare, incident.Count(len(i.Evidence), "observation")), " ")
	}
	return a
}

// ascii reports whether a character looks the same everywhere.
func ascii(r rune) bool { return r < 0x7f }

// Text is the annex as text.
func (a Annex) Text() string { return string(a.Data) }

// URL is a data URL for saving the annex. It is safe: its content is our own base64.
func (a Annex) URL() template.URL {
	return template.URL("data:application/jsonl;base64," + base64.StdEncoding.EncodeToString(a.Data))
}

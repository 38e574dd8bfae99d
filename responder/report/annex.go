package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/texts"
)

// Annex is the evidence as it was recorded, one JSON object per line: first every
// observation with the lines from Asterisk, then every call. Times are UTC.
type Annex struct {
	Data   []byte
	SHA256 string // of Data, in hex; "": Data is incomplete
	Name   string // suggested file name
	Note   string // says what is missing; "": nothing
}

func annexOf(i *incident.Incident, l *texts.Language) Annex {
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
		a.Note = l.Say("annex.bare", "command", incident.Command("incident", strconv.FormatInt(i.ID, 10), "--annex"))
		return a
	}
	sum := sha256.Sum256(a.Data)
	a.SHA256 = hex.EncodeToString(sum[:])
	if i.Shared() {
		a.Note = l.Say("annex.shared")
	}
	if bare > 0 {
		a.Note = strings.TrimPrefix(a.Note+" "+l.Say("annex.lines-missing", "n", bare, "of", len(i.Evidence)), " ")
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

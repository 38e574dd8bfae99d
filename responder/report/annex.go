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
	"unicode/utf16"

	"github.com/tollwarden/tollwarden/responder/control"
)

// Annex is the evidence as it was recorded: one JSON object a line, first every
// observation, then every call; times are UTC.
type Annex struct {
	Data   []byte
	SHA256 string // of Data, in hex
	Name   string // a file name for it
}

func annexOf(i *control.Incident) Annex {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, o := range i.Evidence {
		o.At = o.At.UTC()
		_ = enc.Encode(o) // plain fields into memory: it cannot fail
	}
	for _, c := range i.Calls {
		c.Began = c.Began.UTC()
		if c.Ended != nil {
			ended := c.Ended.UTC()
			c.Ended = &ended
		}
		_ = enc.Encode(c)
	}
	data := ascii(b.String())
	sum := sha256.Sum256(data)
	return Annex{data, hex.EncodeToString(sum[:]), "incident-" + strconv.FormatInt(i.ID, 10) + "-evidence.jsonl"}
}

// ascii escapes what is not ASCII as JSON does, so that no character of a
// stranger's changes how the lines look.
func ascii(lines string) []byte {
	var out []byte
	for _, r := range lines {
		if r < 0x7f {
			out = append(out, byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// Text is the annex for the page.
func (a Annex) Text() string { return string(a.Data) }

// URL holds the annex itself, to be saved. Only base64 of our own making is in
// it.
func (a Annex) URL() template.URL {
	return template.URL("data:application/jsonl;base64," + base64.StdEncoding.EncodeToString(a.Data))
}

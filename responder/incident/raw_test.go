package incident_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// No byte of what Asterisk wrote is lost, and none has an effect where it is
// shown.
func TestRawLines(t *testing.T) {
	for raw, want := range map[incident.Raw][]string{
		"":                               nil,
		"Event: A\r\nX: b\r\n":           {"Event: A", "X: b"},
		"Event: A\r\nX: b\nY: c\r\nZ: d": {"Event: A", `X: b\x0aY: c`, "Z: d"},
		"a line\nand what follows it":    {"a line", "and what follows it"},
		"\x1b[31m \xff ü \\x41":          {`\x1b[31m \xff \xc3\xbc \x5cx41`},
	} {
		if got := raw.Lines(); !slices.Equal(got, want) {
			t.Errorf("%q is printed as %q, want %q", raw, got, want)
		}
	}
}

// Lines survive JSON byte by byte.
func FuzzRawLines(f *testing.F) {
	f.Add("Event: A\r\nX: <b>\nY: \\x41\xff\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := json.Marshal(incident.Raw(text))
		if err != nil {
			t.Fatal(err)
		}
		var back incident.Raw
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if want := incident.Raw(text).Lines(); !slices.Equal(back.Lines(), want) {
			t.Errorf("%q came back as %q, want %q", text, back.Lines(), want)
		}
	})
}

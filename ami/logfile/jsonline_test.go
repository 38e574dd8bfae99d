package logfile

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzJSONLine checks that no object causes a panic, and that a text is read as package json
// reads it.
func FuzzJSONLine(f *testing.F) {
	f.Add(`{"MESSAGE":"a\u00e4\ud83d\ude00\n\"x\\","SYSLOG_IDENTIFIER":"asterisk"}`, "a\n\"\\\x1b[1mä")
	f.Add(jsonLog("NOTICE", "chan_sip.c", "x"), "x")
	f.Add(dockerLog("x"), `"}`)
	f.Add(`{"MESSAGE":[65,66],"a":{"b":[1,{"c":null}],"d":-1.5e3}}`, "")
	f.Fuzz(func(t *testing.T, line, text string) {
		var u unwrapper
		u.stamps.clock = &Clock{Latest: noon}
		u.unwrap([]byte(line))
		if !utf8.ValidString(text) {
			return
		}
		quoted, err := json.Marshal(map[string]any{"MESSAGE": text, "SYSLOG_IDENTIFIER": "asterisk", "other": []any{text, map[string]string{text: text}}})
		if err != nil {
			t.Fatal(err)
		}
		raw := jsonRecord{}
		if !members(quoted, &raw) {
			t.Fatalf("%s is no object", quoted)
		}
		if got, ok := u.unquote(raw.text); !ok || string(got) != text {
			t.Errorf("%s is %q, want %q", quoted, got, text)
		}
	})
}

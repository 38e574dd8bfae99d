package sip

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseResponse(t *testing.T) {
	for message, want := range map[string]string{
		"SIP/2.0 200 OK\r\nVia: a\r\nCSeq: 1 INVITE\r\nServer: x:y\r\n\r\nbody":      `200 "SIP/2.0 200 OK\r\nVia: a\r\n" [CSeq= 1 INVITE Server= x:y]`,
		"SIP/2.0 401 \r\nCSeq: 1 A\r\nFrom: b\r\n\r\n\r\nCSeq: 2 B\r\nX : y\r\n\r\n": `401 "SIP/2.0 401 \r\nCSeq: 1 A\r\nFrom: b\r\n\r\n\r\n" [CSeq= 2 B X= y]`,
		"SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\nServer: cut":                        `100 "SIP/2.0 100 Trying\r\n" [CSeq= 1 INVITE]`,
		"SIP/2.0 999 \r\nCSeq:\r\n":                                                  `999 "SIP/2.0 999 \r\n" [CSeq=]`,
		"SIP/2.0 200 OK\r\nVia: a\r\n\r\n":                                           "none",
		"SIP/2.0 20 OK\r\nCSeq: 1 INVITE\r\n\r\n":                                    "none",
		"SIP/2.0 2000 OK\r\nCSeq: 1 INVITE\r\n\r\n":                                  "none",
		"SIP/2.0 200": "none",
		"SIP/3.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n":     "none",
		"OPTIONS sip:a SIP/2.0\r\nCSeq: 1 A\r\n\r\n":   "none",
		" SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n":    "none",
		"sip/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n":     "none",
		"SIP/2.0 -01 OK\r\nCSeq: 1 INVITE\r\n\r\n":     "none",
		"SIP/2.0 200 OK\r\ncseq: 1 INVITE\r\nX: y\r\n": "none",
		"": "none",
	} {
		got := "none"
		if r, ok := ParseResponse([]byte(message)); ok {
			var headers []string
			for own := r.Own; ; {
				name, value, ok := own.Next()
				if !ok {
					break
				}
				headers = append(headers, fmt.Sprintf("%s=%s", name, value))
			}
			got = fmt.Sprintf("%d %q %v", r.Status, r.Echoed, headers)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", message, got, want)
		}
	}
}

// Only the addresses in a challenge are allocated.
func TestAllocations(t *testing.T) {
	n := 0
	count := func(Challenge) { n++ }
	for message, want := range map[string]float64{
		refusal("1/abc"): 2,
		strings.Replace(refusal("1/abc"), "401", "403", 1): 0,
		refusal("1/abc")[:100]:                             0,
	} {
		b := []byte(message)
		if got := testing.AllocsPerRun(100, func() { each(b, count) }); got > want {
			t.Errorf("%.20s…: %v allocations, want %v", message, got, want)
		}
	}
}

func TestUserOf(t *testing.T) {
	for value, want := range map[string]string{
		` <sip:1002@pbx>;tag=a`:                       "1002",
		` "A, B" <sip:%31002:pw@pbx>`:                 "%31002",
		` sips:1002@pbx`:                              "1002",
		` SIP:1002@pbx`:                               "1002",
		` <sip:1002@pbx;x="@:"> ; tag=a`:              "1002",
		` "a <sip:1003@b> \" <" <sip:1002;a=b:c@pbx>`: "1002",
		` tel:1002;phone-context=x`:                   "1002",
		` <sip:pbx:5060>`:                             "pbx",
		` "open <sip:1002@pbx>`:                       "",
		``:                                            "",
		` <sip:` + strings.Repeat("a", 81) + `@h>`:    "",
	} {
		if got := string(userOf([]byte(value))); got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

// What the sender wrote into a response shows.
func TestForged(t *testing.T) {
	for message, want := range map[string]bool{
		"Via: h\r\nRecord-Route: <sip:a>\r\nCall-ID: x\r\nFrom: a\r\nTo: b\r\n":         false,
		"Via: [h\r\nCall-ID: y\r\n]\r\nCall-ID: x\r\nFrom: a\r\nTo: b\r\n":              true,
		"Via: h\r\nCall-ID: x\r\nFrom: a\r\nTo: <sip:[b\r\nFrom: c\r\n]>\r\n":           true,
		"Via: h\r\nCall-ID: x\r\nFrom: a\r\nTo: <sip:[b\r\nCSeq: 3 A\r\nX: y\r\n]>\r\n": true,
	} {
		r, ok := ParseResponse([]byte("SIP/2.0 401 x\r\n" + message + "CSeq: 1 A\r\n\r\n"))
		if !ok || r.Forged() != want {
			t.Errorf("%q: forged %t, want %t", message, r.Forged(), want)
		}
	}
}

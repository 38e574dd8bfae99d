// Package logforms lists the forms in which Asterisk's log exists out there, for tests. To
// have a form covered, live and in replay, add one line to Forms.
package logforms

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
)

// Form is one form of a log.
type Form struct {
	Name string
	// Line is a line of it. What is between « and » is a time in the layout of package
	// time, or one of these:
	//
	//	file     Asterisk's text in a file: NOTICE[2217] pjsip_distributor.c: …
	//	console  on its console: NOTICE[2217]: pjsip_distributor.c:676 function: …
	//	syslog   in syslog: NOTICE[2217]: pjsip_distributor.c:676 in function: …
	//	message  the message alone
	//	path     the file in Asterisk's source
	//	seconds, micros  the time since 1970
	//	e        the day of the month, padded with a space
	//
	// Between «" and "» is text like that, with ‹ and ›, as a string of JSON.
	Line string
	// Trust is who can have written such lines.
	Trust logfile.Trust
	// Before is a line before each of them: another program's, or one that belongs to it.
	Before string
	// DateFormat is the format that has to be named.
	DateFormat string
	// Coarse is by how much a time may be off, if it has no seconds.
	Coarse time.Duration
	// Undated says that the form has no time.
	Undated bool
	// Refused says that nothing of it must be read.
	Refused bool
}

// Entry is an entry of Asterisk's logger.
type Entry struct{ Level, File, Function, Message string }

// Guess is the NOTICE about a wrong password for 1001 from an address and port.
func Guess(source string) Entry {
	return Entry{
		Level: "NOTICE", File: "res_pjsip/pjsip_distributor.c", Function: "log_failed_request",
		Message: `Request 'REGISTER' from '"1001" <sip:1001@192.0.2.10>' failed for '` + source + `' (callid: a` + source + `@x) - Failed to authenticate`,
	}
}

// Write writes an entry in this form.
func (f Form) Write(at time.Time, e Entry) string {
	text := fill(f.Line, at, e) + "\n"
	if f.Before != "" {
		text = fill(f.Before, at, e) + "\n" + text
	}
	return text
}

func fill(template string, at time.Time, e Entry) string {
	for {
		before, rest, found := strings.Cut(template, `«"`)
		if !found {
			break
		}
		inner, after, _ := strings.Cut(rest, `"»`)
		quoted, _ := json.Marshal(fill(strings.NewReplacer("‹", "«", "›", "»", `\n`, "\n", `\r`, "\r", `\"`, `"`).Replace(inner), at, e))
		template = before + string(quoted) + after
	}
	var b strings.Builder
	for template != "" {
		before, rest, found := strings.Cut(template, "«")
		b.WriteString(before)
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, "»")
		b.WriteString(part(name, at, e))
		template = after
	}
	return b.String()
}

func part(name string, at time.Time, e Entry) string {
	switch name {
	case "file":
		return fmt.Sprintf("%s[2217] %s: %s", e.Level, e.File, e.Message)
	case "console":
		return fmt.Sprintf("%s[2217]: %s:676 %s: %s", e.Level, e.File, e.Function, e.Message)
	case "call":
		return fmt.Sprintf("%s[2217][C-0000001a]: %s:676 %s: %s", e.Level, e.File, e.Function, e.Message)
	case "syslog":
		return fmt.Sprintf("%s[2217]: %s:676 in %s: %s", e.Level, e.File, e.Function, e.Message)
	case "path":
		return e.File
	case "message":
		return e.Message
	case "seconds":
		return fmt.Sprint(at.Unix())
	case "micros":
		return fmt.Sprint(at.UnixMicro())
	case "bytes":
		text := part("syslog", at, e)
		list := make([]string, len(text))
		for i := range list {
			list[i] = fmt.Sprint(text[i])
		}
		return strings.Join(list, ", ")
	case "colours":
		c := func(v, colour string) string { return "\x1b[" + colour + "m" + v + "\x1b[0m" }
		return fmt.Sprintf("%s[2217]: %s:%s %s: %s", c(e.Level, "1;33"), c(e.File, "1;37"), c("676", "1;37"), c(e.Function, "1;37"), e.Message)
	case "escapes":
		return strings.ReplaceAll(part("colours", at, e), "\x1b", "#033")
	case "carets":
		return strings.ReplaceAll(part("colours", at, e), "\x1b", "^[")
	case "german":
		return [...]string{"Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"}[at.Month()-1]
	}
	return at.Format(name)
}

package logfile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// foundShared parses lines and describes each finding and what it is worth.
func foundShared(p *Parser, text string) string {
	var list []string
	emit := func(r *Record) {
		worth := "spoofable"
		if r.Event.Proven() {
			worth = "proven"
		}
		list = append(list, describe(r)+", "+worth)
	}
	for line := range strings.SplitSeq(text, "\n") {
		p.Line([]byte(line), emit)
	}
	p.Flush(emit)
	return strings.Join(list, "\n")
}

const (
	admin    = `AMI InvalidPassword "admin" from 198.51.100.7:0`
	byMe     = `198.51.100.7 failed to authenticate as 'admin'`
	blamed   = `8.8.8.8 failed to authenticate as 'a'`
	fakeAMI  = `AMI InvalidPassword "a" from 8.8.8.8:0`
	prefix   = "Nov 22 00:26:26 pbx asterisk[9]: "
	cron     = "Nov 22 00:26:26 pbx CRON[4411]: (root) CMD (run-parts)"
	manager  = "NOTICE[55] manager.c: "
	next     = stamp + "VERBOSE[55] pbx.c: next"
	spoofed  = ", spoofable"
	provenBy = ", proven"
)

// jsonLog is a line of Asterisk's JSON.
func jsonLog(level, file, message string) string {
	text, _ := json.Marshal(message + "\n")
	return `{"hostname":"pbx","timestamp":"2026-11-22 00:26:26","identifiers":{"lwp":55,"callid":""},"logmsg":{"location":{"filename":"` + file + `","function":"f","line":1},"level":"` + level + `","message":` + string(text) + `}}`
}

// dockerLog is a line of Docker's json-file.
func dockerLog(text string) string {
	quoted, _ := json.Marshal(text + "\n")
	return `{"log":` + string(quoted) + `,"stream":"stdout","time":"2026-11-22T00:26:26.1Z"}`
}

// Nobody who can have a text logged has others blamed by more than evidence that may be
// spoofed, and no line of another program hides what Asterisk wrote. The address to be
// blamed is 8.8.8.8.
func TestSharedLogs(t *testing.T) {
	iax := stamp + "WARNING[55] chan_iax2.c: Host 192.0.2.66:4569 failed to authenticate as "
	tcp := func(event, source string) string {
		return `SECURITY[55] res_security_log.c: SecurityEvent="` + event + `",EventTV="2026-11-22T00:26:26.070+0000",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="1002",SessionID="s",` +
			`LocalAddress="IPV4/TCP/192.0.2.1/5060",RemoteAddress="IPV4/TCP/` + source + `/5060",UsingPassword="1"`
	}
	short := stamp + `SECURITY[5] a.c: SecurityEvent="SuccessfulAuth",EventTV="",Severity="",Service="SIP",EventVersion="",AccountID="1002",SessionID="",LocalAddress="IPV4/UDP/::/1",RemoteAddress="IPV4/TCP/8.8.8.8/1",UsingPassword="1"`
	chanSIP := stamp + "NOTICE[55] chan_sip.c: Registration from '<sip:x@y>' failed for '192.0.2.66:5060' - Wrong password\n"
	bySIP := `SIP InvalidPassword "x" from 192.0.2.66:5060` + spoofed
	byIAX := `IAX2 InvalidPassword "x" from 192.0.2.66:4569` + spoofed
	for name, c := range map[string]struct{ text, want string }{
		"the manager interface is TCP":           {stamp + manager + byMe, admin + provenBy},
		"in a file that Asterisk writes as JSON": {jsonLog("NOTICE", "manager.c", byMe), admin + provenBy},
		"in syslog anybody may have written it":  {prefix + "NOTICE[55]: manager.c:1 in f: " + byMe, admin + spoofed},
		"at the console, too":                    {prefix + stamp + "NOTICE[55]: manager.c:1 f: " + byMe, admin + spoofed},
		"in a container":                         {dockerLog(stamp + "NOTICE[55]: manager.c:1 f: " + byMe), admin + spoofed},
		"a connection in a file of Asterisk":     {stamp + tcp("InvalidPassword", "198.51.100.7"), `PJSIP InvalidPassword "1002" from 198.51.100.7:5060` + provenBy},
		"a connection in syslog":                 {prefix + tcp("InvalidPassword", "198.51.100.7"), `PJSIP InvalidPassword "1002" from 198.51.100.7:5060` + spoofed},
		"a success in a file of Asterisk":        {stamp + tcp("SuccessfulAuth", "198.51.100.7"), `PJSIP SuccessfulAuth "1002" from 198.51.100.7:5060` + provenBy},
		"a success in syslog":                    {prefix + tcp("SuccessfulAuth", "198.51.100.7"), ``},
		"a success in the journal's JSON":        {`{"SYSLOG_IDENTIFIER":"asterisk","_COMM":"asterisk","MESSAGE":` + quote(tcp("SuccessfulAuth", "198.51.100.7")) + `}`, ``},

		"others' lines hide nothing":              {strings.Repeat(cron+"\n"+prefix+"NOTICE[55]: manager.c:1 in f: "+byMe+"\n"+cron+"\n"+cron+"\n", 2), admin + spoofed + "\n" + admin + spoofed},
		"nor do console messages in the journal":  {prefix + stamp + "NOTICE[55]: manager.c:1 f: " + byMe + "\n" + prefix + "    -- Added contact", admin + spoofed},
		"a line feed that syslog leaves":          {prefix + "NOTICE[55]: manager.c:1 in f: " + byMe + "\nand more\n" + cron, "tampered" + spoofed},
		"a line that journalctl continues":        {prefix + "NOTICE[55]: manager.c:1 in f: " + byMe + "\n                                 " + stamp + manager + blamed + "\n" + cron, "tampered" + spoofed},
		"a fake foreign line in Asterisk's file":  {iax + "x\n" + cron + "\n" + next, "tampered" + spoofed},
		"a fake line of syslog in Asterisk's":     {iax + "x\n" + prefix + "NOTICE[1]: manager.c:1 in f: " + blamed + "\n" + next, byIAX + "\n" + fakeAMI + spoofed},
		"whole lines in a name of IAX2":           {iax + "x\n" + stamp + manager + blamed + "\n" + next, byIAX + "\n" + fakeAMI + spoofed},
		"many of them":                            {iax + "x\n" + stamp + "NOTICE[1] a.c: b\n" + stamp + "NOTICE[1] a.c: b\n" + stamp + manager + blamed + "\n" + next, byIAX + "\n" + fakeAMI + spoofed},
		"a whole security event in it":            {iax + "x\n" + stamp + tcp("InvalidPassword", "8.8.8.8") + "\n" + next, byIAX + "\n" + `PJSIP InvalidPassword "1002" from 8.8.8.8:5060` + spoofed},
		"a success in it":                         {iax + "x\n" + stamp + tcp("SuccessfulAuth", "8.8.8.8") + "\n" + next, byIAX},
		"a success in a name of chan_sip":         {chanSIP + short + "\n" + next, bySIP},
		"a success after a line of chan_sip":      {chanSIP + stamp + tcp("SuccessfulAuth", "198.51.100.7") + "\n" + next, bySIP + "\n" + `PJSIP SuccessfulAuth "1002" from 198.51.100.7:5060` + spoofed},
		"a success after an odd line":             {next + "\nodd\n" + short + "\n" + next, ``},
		"JSON in it":                              {iax + "x\n" + jsonLog("NOTICE", "manager.c", blamed) + "\n" + next, byIAX + "\n" + fakeAMI + spoofed},
		"JSON in a trace":                         {next + "\n" + jsonLog("NOTICE", "manager.c", blamed) + "\n" + next, fakeAMI + spoofed},
		"a line without a date in a dialled name": {stamp + "VERBOSE[1] pbx.c: Executing [x\nNOTICE[1] manager.c: 8.8.8.8 failed to authenticate as ''\nNOTICE[1] a.c:@in:1]\n" + next, ``},
		"the manager's line after an odd one":     {next + "\nodd\n" + stamp + manager + blamed + "\n" + next, fakeAMI + spoofed},

		"Asterisk opens its log":             {stamp + manager + byMe + "\n[2026-11-22 00:26:26.070] Asterisk 16.28.0~dfsg-0+deb11u4 built by nobody @ buildd.debian.org on a unknown running Linux on 2024-01-04 17:58:50 UTC", admin + provenBy},
		"a sender pretends so":               {iax + "x\n" + stamp + manager + blamed + "\n[2026-11-22 00:26:26.070] Asterisk 1 built by x UTC' (from 192.0.2.66)", byIAX + "\ntampered" + spoofed},
		"JSON in JSON":                       {jsonLog("NOTICE", "manager.c", `x`+"\n"+jsonLog("NOTICE", "manager.c", blamed)), ``},
		"a quote in JSON":                    {jsonLog("NOTICE", "chan_iax2.c", `Host 192.0.2.66 failed to authenticate as x","level":"NOTICE","message":"`+blamed), `IAX2 InvalidPassword "x\",\"level\":\"NOTICE\",\"message\":\"8.8.8.8 failed to authenticate as 'a" from 192.0.2.66:0` + spoofed},
		"a line feed in a name in JSON":      {jsonLog("NOTICE", "chan_iax2.c", "No registration for peer 'x\n"+stamp+manager+blamed+"' (from 192.0.2.66)"), fmt.Sprintf("IAX2 InvalidAccountID %q from 192.0.2.66:0", "x\n"+stamp+manager+blamed) + spoofed},
		"half of a security event in JSON":   {jsonLog("SECURITY", "res_security_log.c", `SecurityEvent="InvalidAccountID",EventTV="x`) + "\n" + jsonLog("NOTICE", "manager.c", byMe), "tampered" + spoofed + "\n" + admin + provenBy},
		"Docker's JSON in Docker's JSON":     {dockerLog(dockerLog(stamp + "NOTICE[55]: manager.c:1 f: " + blamed)), ``},
		"syslog in Docker's JSON":            {dockerLog(prefix + "NOTICE[55]: manager.c:1 in f: " + blamed), ``},
		"a tag in a message":                 {cron + " asterisk[9]: NOTICE[1]: manager.c:1 in f: " + blamed, ``},
		"a message under a name like ours":   {"Nov 22 00:26:26 pbx sshd[1]: asterisk[9]: NOTICE[1]: manager.c:1 in f: " + blamed, ``},
		"brackets in structured data":        {`<134>1 2026-11-22T00:26:26Z pbx sshd 9 - [a b="] asterisk 9 - - NOTICE[1]: manager.c:1 in f: ` + blamed + `"] x`, ``},
		"colours in a name":                  {stamp + "NOTICE[55] chan_iax2.c: No registration for peer 'x#033[0m\x1b[1;33m' (from 8.8.8.8)' (from 192.0.2.66)", `IAX2 InvalidAccountID "x#033[0m' (from 8.8.8.8)" from 192.0.2.66:0` + spoofed},
		"a piece of a container's line":      {"2026-11-22T00:26:26Z stdout P " + stamp + "NOTICE[55]: manager.c:1 f: \n2026-11-22T00:26:26Z stderr F " + blamed + "\n2026-11-22T00:26:26Z stdout F " + byMe, admin + spoofed},
		"a repeated message counts as often": {prefix + "message repeated 3 times: [ NOTICE[55]: manager.c:1 in f: " + byMe + "]", strings.Repeat("\n"+admin+spoofed, 3)[1:]},
		"but not forever":                    {prefix + "message repeated 9999999 times: [ NOTICE[55]: manager.c:1 in f: " + byMe + "]", ``},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Parser{Clock: Clock{Latest: noon}}
			if got := foundShared(p, c.text); got != c.want {
				t.Errorf("%s\nfound %s\n want %s", c.text, got, c.want)
			}
		})
	}
}

func quote(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// A log that was copied from the console is recognised by what else it shows, and no
// finding of it is lost or taken for tampering.
func TestConsoleWithoutPrefix(t *testing.T) {
	line := stamp + "NOTICE[55]: manager.c:1 f: " + byMe + "\n    -- Added contact 'sip:1002@198.51.100.7'\n"
	p := &Parser{Clock: Clock{Latest: noon}}
	text := strings.Repeat(line, 5)
	if err := p.Survey(strings.NewReader(text), noon); err != nil {
		t.Fatal(err)
	}
	if got, want := foundShared(p, text), strings.Repeat("\n"+admin+spoofed, 5)[1:]; got != want || p.Trust() != Anyone {
		t.Errorf("found %s\n want %s (trust %d)", got, want, p.Trust())
	}
	// Asterisk's own file has no such lines: two in it are forged.
	file := stamp + manager + byMe + "\n    -- Added contact 'sip:1002@198.51.100.7'\n"
	p = &Parser{Clock: Clock{Latest: noon}}
	text = strings.Repeat(file, 5)
	if err := p.Survey(strings.NewReader(text), noon); err != nil {
		t.Fatal(err)
	}
	if got, want := foundShared(p, text), strings.Repeat("\ntampered"+spoofed, 5)[1:]; got != want || p.Trust() != Own {
		t.Errorf("found %s\n want %s (trust %d)", got, want, p.Trust())
	}
}

// Pieces of lines without an end take no more memory than one line.
func TestPiecesWithoutEnd(t *testing.T) {
	p := &Parser{Clock: Clock{Latest: noon}}
	piece := []byte("2026-11-22T00:26:26Z stdout P " + strings.Repeat("x", 16<<10))
	for range 1000 {
		p.Line(piece, func(*Record) {})
	}
	if n := cap(p.pieces[0]); n > 2*longestLine {
		t.Errorf("%d bytes", n)
	}
}

// Line feeds in a name do not make Asterisk's log look like another program's.
func TestForeignLinesInNames(t *testing.T) {
	p := &Parser{Clock: Clock{Latest: noon}}
	text := stamp + "WARNING[55] chan_iax2.c: Host 192.0.2.66:4569 failed to authenticate as " + strings.Repeat("x\n", 100)
	foundShared(p, strings.Repeat(text, 5)+next)
	if c := p.Counts; c.Foreign*2 > c.Lines || c.Entries != 6 {
		t.Errorf("%+v", c)
	}
	p = &Parser{Clock: Clock{Latest: noon}}
	if foundShared(p, strings.Repeat("GET / HTTP/1.1\n", 100)); p.Counts.Foreign != 100 {
		t.Errorf("another program's log: %+v", p.Counts)
	}
}

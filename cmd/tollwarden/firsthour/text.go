package firsthour

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/numbers"
)

// writer prints lines until one cannot be written.
type writer struct {
	w   io.Writer
	err error
}

// line prints one line; what comes from outside is made harmless.
func (p *writer) line(format string, values ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, output.Plain(fmt.Sprintf(format, values...)))
	}
}

func (p *writer) heading(text string) {
	p.line("")
	p.line("%s", text)
}

func (p *writer) todo(format string, values ...any) { p.line("  [ ] "+format, values...) }
func (p *writer) more(format string, values ...any) { p.line("      "+format, values...) }

// Print writes what to do.
func (f *Facts) Print(w io.Writer) error {
	p := &writer{w: w}
	p.line("THE FIRST HOUR AFTER A BREAK-IN  ·  %s  ·  %s", f.Host, output.Time(f.At))
	p.line("Print this page, and tick off. Write down when you did each step, and who you spoke to.")
	f.situation(p)
	f.stop(p)
	f.carrier(p)
	f.evidence(p)
	f.passwords(p)
	f.police(p)
	f.afterwards(p)
	if len(f.Unknown) > 0 {
		p.heading("NOT FILLED IN")
		for _, u := range f.Unknown {
			p.line("  - %s", u)
		}
	}
	return p.err
}

// situation is what is on record.
func (f *Facts) situation(p *writer) {
	p.heading("WHAT IS KNOWN")
	p.line("  Now: %s", f.State)
	if len(f.BreakIns) == 0 && f.Recorded {
		p.line("  Break-ins on record since %s: none. The calls may have been made in a way that is not seen: go on all the same.", f.Since.Local().Format("2006-01-02"))
	}
	for _, b := range f.BreakIns {
		text := fmt.Sprintf("  %s  extension %s: %s", output.Time(b.At), b.Title(), b.Threshold)
		if b.Source != "" {
			text += ", from " + b.Source
		}
		switch {
		case b.Observed:
			text += "; nothing was changed, as in mode observe"
		case len(b.Done) > 0:
			text += "; " + strings.Join(b.Done, ", ")
		}
		if len(b.Open) > 0 {
			text += "; NOT DONE: " + strings.Join(b.Open, ", ")
		}
		p.line("%s (incident %d)", text, b.Incident)
	}
	if f.Truncated {
		p.line("  … and more: `tollwarden incidents` lists them")
	}
	if calls := f.calls(); len(calls) > 0 {
		p.line("  Calls on record: %s", callWords(calls))
	}
	if cost := f.cost(); cost != "" {
		p.line("  Cost so far, about: %s", cost)
	}
}

// callWords says how many calls there were, when and where to.
func callWords(calls []incident.Call) string {
	to := map[string]int{}
	for _, c := range calls {
		to[cmp.Or(numbers.CountryName(c.Country), "a place that is not known")]++
	}
	places := slices.SortedFunc(maps.Keys(to), func(a, b string) int { return cmp.Or(to[b]-to[a], strings.Compare(a, b)) })
	for n, place := range places {
		places[n] = fmt.Sprintf("%s (%d)", place, to[place])
	}
	return fmt.Sprintf("%d, from %s to %s, to %s", len(calls), output.Time(calls[0].Began), output.Time(calls[len(calls)-1].Began), strings.Join(places, ", "))
}

func (f *Facts) stop(p *writer) {
	p.heading("1. STOP IT (minutes count)")
	if !f.Running {
		start := "`tollwarden run`"
		if f.Package {
			start = "systemctl start tollwarden"
		}
		p.todo("Start the daemon, which the commands on this page need: %s", start)
	}
	for _, b := range f.extensions() {
		p.todo("End the calls of %s, and keep the thief from making new ones:", b.Title())
		p.more("%s, then %s", incident.AccountCommand("lock", b.Extension), incident.AccountCommand("hangup", b.Extension))
	}
	if len(f.BreakIns) == 0 {
		p.todo("An extension that makes calls which are not yours: `tollwarden lock EXTENSION`, then `tollwarden hangup EXTENSION`")
	}
	p.todo("Look for other calls that are not yours:  asterisk -rx \"core show channels verbose\"")
	p.more("end one of them:  asterisk -rx \"channel request hangup CHANNEL\"")
	p.todo("If it does not stop, take the lines down. Calls in and out, emergency calls too, are dead then:")
	closed := false
	for _, t := range f.Trunks {
		if t.Close != "" {
			p.more("asterisk -rx %q", t.Close)
			closed = true
		}
	}
	if !closed {
		p.more("asterisk -rx \"core stop now\", or pull the plug of the line to the carrier")
	}
	if f.Running && !f.Stopping {
		p.todo("Get the protection to work: `tollwarden status` says what is missing.")
	}
}

func (f *Facts) carrier(p *writer) {
	p.heading("2. CALL YOUR CARRIER (now, by telephone, at night too: ask for the fraud desk)")
	for _, t := range f.Trunks {
		at := ""
		if t.At != "" && !strings.Contains(t.Name, t.At) {
			at = " (" + t.At + ")"
		}
		p.more("line: %s%s", t.Name, at)
	}
	p.more("Their emergency number is on the bill. Call from another telephone than this PBX. Say:")
	p.line("")
	p.more("  \"Our PBX was broken into, and somebody makes fraudulent calls at our cost.")
	p.more("   Please block all international, premium-rate and satellite calls on our lines at once.")
	if calls := f.calls(); len(calls) > 0 {
		p.more("   We know of calls: %s.", callWords(calls))
	}
	p.more("   Please tell us which calls of the last 72 hours went abroad, and what they cost up to now,")
	p.more("   and set a limit to what can be charged. We dispute these calls: please do not pay the")
	p.more("   carriers behind them until this is settled. What is the number of this ticket?\"")
	p.line("")
	p.todo("Name: ____________________  time: __________  ticket: ____________________")
	p.todo("Send the same in writing today. The report of each incident lists the numbers that were called.")
}

func (f *Facts) evidence(p *writer) {
	p.heading("3. KEEP THE EVIDENCE (before logs are rotated, and before anything is installed anew)")
	p.todo("Pack it, as root:")
	leave := ""
	for _, path := range f.Leave {
		leave += " --exclude=" + incident.ShellWord(path)
	}
	files := make([]string, len(f.Keep))
	for i, path := range f.Keep {
		files[i] = incident.ShellWord(path)
	}
	p.more("tar -czf /root/evidence-%s.tar.gz%s %s", f.At.Local().Format("20060102-1504"), leave, strings.Join(files, " "))
	p.more("journalctl --since %q >/root/journal.txt;  sha256sum /root/evidence-*.tar.gz /root/journal.txt", f.Since.Local().Format("2006-01-02"))
	p.more("Copy both to another machine. They hold personal data, and configuration with passwords.")
	for _, b := range f.BreakIns[:min(len(f.BreakIns), 5)] {
		p.todo("The report of incident %d:  tollwarden incident %d --html >incident-%d.html", b.Incident, b.Incident, b.Incident)
	}
}

func (f *Facts) passwords(p *writer) {
	p.heading("4. CHANGE PASSWORDS")
	extensions := f.extensions()
	for _, b := range extensions {
		p.todo("Extension %s: %s; %s shows the new password, which its phones need;", b.Title(), incident.AccountCommand("rotate", b.Extension, "--expire"), incident.AccountCommand("secret", b.Extension))
		p.more("afterwards %s", incident.AccountCommand("unlock", b.Extension))
	}
	if len(extensions) == 0 {
		p.todo("Each extension that made such calls: `tollwarden rotate EXTENSION --expire`")
	}
	p.todo("Where the thief may have got it: every extension with the same or a simple password, voicemail PINs, DISA and")
	p.more("callback PINs, the phones' own web pages, the provisioning server (are its files open to the internet?)")
	p.todo("If the PBX itself may have been entered: the web interface, SSH, manager.conf, ARI, the database, the carrier's portal")
	p.todo("Look for what was left behind: call forwards (asterisk -rx \"database show\"), new extensions, trunks, users, cron jobs,")
	p.more("dialplan that you did not write, files in /etc/asterisk changed since %s", f.Since.Local().Format("2006-01-02"))
}

func (f *Facts) police(p *writer) {
	p.heading("5. REPORT IT")
	p.todo("Police: report computer fraud, in most countries online. Take the reports of the incidents, the list of calls, the addresses")
	p.more("and the sum with you. Ask for the file number: the carrier and the insurer will want it.")
	p.todo("Insurance (cyber, electronics): many want to know within 24 to 72 hours.")
	p.todo("If voicemail, call records or address books were read: the data protection authority, in the EU within 72 hours.")
}

func (f *Facts) afterwards(p *writer) {
	p.heading("6. SO THAT IT DOES NOT HAPPEN AGAIN")
	p.todo("`tollwarden status` says that an attack would be stopped; `tollwarden check` says what could be better.")
	switch {
	case f.Receivers == nil:
		p.todo("See to it that somebody gets messages, at night, too: [notify] in the configuration; `tollwarden check --notify` sends a test.")
	case len(f.Receivers) > 0:
		p.todo("Messages go to: %s. Is somebody there at night? `tollwarden check --notify` sends a test.", strings.Join(f.Receivers, ", "))
	default:
		p.todo("NOBODY gets a message: `tollwarden setup` asks who should.")
	}
	p.todo("Have the carrier keep what you do not need blocked for good, and set a limit of costs there: nobody can get around that from here.")
	p.todo("Set calls.country, calls.hours and calls.deny, and look at `tollwarden spending` in the next days.")
	p.todo("Unblock abroad only when you know how the thief came in.")
}

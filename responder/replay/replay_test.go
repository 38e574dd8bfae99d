package replay_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/replay"
	"github.com/tollwarden/tollwarden/responder/score"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func policy() judge.Policy {
	return judge.Policy{
		Thresholds: []score.Threshold{
			{Name: "guessing", Per: score.PerSource, Score: 3, Within: time.Hour, Playbook: "block", Points: map[score.Signal]int{score.InvalidPassword: 1, score.ChallengeResponseFailed: 1}},
			{Name: "break-in", Per: score.PerAccount, Score: 1, Within: time.Hour, Playbook: "block", Points: map[score.Signal]int{score.SuccessAfterFailures: 1}},
		},
		Playbooks: map[string][]incident.StepKind{"block": {incident.StepBan}},
		Ladder:    decide.Ladder{Times: []time.Duration{time.Hour, 24 * time.Hour}, Forget: 30 * 24 * time.Hour, Spoofable: []time.Duration{10 * time.Minute}},
	}
}

// notice is the log line of a wrong password for 1002 with PJSIP.
func notice(at time.Time, source string, call int) string {
	return fmt.Sprintf("[%s] NOTICE[55] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1002@pbx>' failed for '%s:5060' (callid: %d) - Failed to authenticate\n",
		at.Format("2006-01-02 15:04:05.000"), source, call)
}

// entry is an entry of the security log about 1002; kind SuccessfulAuth is a login.
func entry(at time.Time, kind, transport, source string, call int) string {
	return fmt.Sprintf("[%s] SECURITY[55] res_security_log.c: SecurityEvent=%q,EventTV=%q,Severity=\"Error\",Service=\"PJSIP\",EventVersion=\"1\",AccountID=\"1002\",SessionID=\"%d\","+
		"LocalAddress=\"IPV4/%s/192.0.2.1/5060\",RemoteAddress=\"IPV4/%s/%s/5060\",UsingPassword=\"1\"\n",
		at.Format("2006-01-02 15:04:05.000"), kind, at.Format("2006-01-02T15:04:05.000-0700"), call, transport, transport, source)
}

// write creates a file, compressed if its name ends in .gz.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var w io.WriteCloser = file
	if strings.HasSuffix(name, ".gz") {
		w = gzip.NewWriter(file)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, noon, noon.Add(365*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, paths ...string) *replay.Result {
	t.Helper()
	r, err := replay.Run(t.Context(), paths, replay.Options{Policy: policy(), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bans describes each ban in one line.
func bans(r *replay.Result) []string {
	list := []string{}
	for _, b := range r.Bans {
		list = append(list, fmt.Sprintf("%s %d times, offence %d, %s, %d stopped, %d logins", b.Prefix.Addr(), b.Times, b.Offence, b.Scope, b.Stopped, b.Logins))
	}
	return list
}

func wantBans(t *testing.T, r *replay.Result, want ...string) {
	t.Helper()
	if got := bans(r); !slices.Equal(got, want) {
		t.Errorf("bans\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A guesser over TCP is banned for an hour, comes back, and is banned for a day.
// Events that the bans would have stopped are not judged.
func TestBansActInVirtualTime(t *testing.T) {
	var text strings.Builder
	guess := func(after time.Duration, n int) {
		for i := range n {
			text.WriteString(entry(noon.Add(after+time.Duration(i)*time.Second), "ChallengeResponseFailed", "TCP", "203.0.113.7", i))
		}
	}
	guess(0, 10)
	text.WriteString(entry(noon.Add(time.Minute), "SuccessfulAuth", "TCP", "203.0.113.7", 99))
	guess(2*time.Hour, 5)
	guess(4*time.Hour, 5)
	r := run(t, write(t, "security", text.String()))
	wantBans(t, r, "203.0.113.7 2 times, offence 2, all, 15 stopped, 1 logins")
	if len(r.Incidents) != 2 || r.Incidents[0].At != noon.Add(2*time.Second) || r.Counters.Observations != 6 {
		t.Errorf("%d observations, incidents %+v", r.Counters.Observations, r.Incidents)
	}
}

// A guesser whose address may be spoofed is blocked from the SIP ports over UDP
// only. Its attempts over TCP are still judged, until they get it blocked entirely.
func TestWhatASpoofableBanStops(t *testing.T) {
	for _, tc := range []struct{ first, then, want string }{
		{"UDP", "UDP", "203.0.113.7 1 times, offence 0, sip, 7 stopped, 0 logins"},
		{"TCP", "TCP", "203.0.113.7 1 times, offence 0, brief, 7 stopped, 0 logins"},
		{"UDP", "TCP", "203.0.113.7 2 times, offence 0, brief, 4 stopped, 0 logins"},
	} {
		var text strings.Builder
		for i := range 10 {
			transport := tc.first
			if i >= 5 {
				transport = tc.then
			}
			guess := entry(noon.Add(time.Duration(i)*time.Second), "InvalidPassword", transport, "203.0.113.7", i)
			text.WriteString(strings.ReplaceAll(guess, "PJSIP", "SIP")) // chan_sip
		}
		wantBans(t, run(t, write(t, "security", text.String())), tc.want)
	}
}

// One attack that appears in a transcript, two logs and a rotated, compressed log
// counts once; the files are merged in the order of their times.
func TestFilesAreMerged(t *testing.T) {
	transcript, err := os.ReadFile("../../ami/testdata/fraud-asterisk22-pjsip.txt")
	if err != nil {
		t.Fatal(err)
	}
	var old, messages, full, security strings.Builder
	for i := range 8 {
		at := noon.Add(time.Duration(i) * time.Minute)
		line := notice(at, "203.0.113.7", i)
		if i < 2 {
			old.WriteString(line)
		} else {
			messages.WriteString(line)
		}
		full.WriteString(line)
		full.WriteString(entry(at, "ChallengeResponseFailed", "UDP", "203.0.113.7", i))
		security.WriteString(entry(at, "ChallengeResponseFailed", "UDP", "203.0.113.7", i))
	}
	folder := t.TempDir()
	for name, text := range map[string]string{"messages": messages.String(), "messages.1.gz": old.String()} {
		if err := os.Rename(write(t, name, text), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t,
		filepath.Join(folder, "messages"), write(t, "security", security.String()), write(t, "manager.txt", string(transcript)),
		write(t, "full", full.String()), filepath.Join(folder, "messages.1.gz"))
	wantBans(t, r, "192.0.2.66 1 times, offence 1, all, 16 stopped, 6 logins", "203.0.113.7 1 times, offence 1, all, 23 stopped, 0 logins")
	if len(r.Incidents) != 2 || r.Incidents[1].At != noon.Add(2*time.Minute) {
		t.Errorf("incidents %+v", r.Incidents)
	}
	if len(r.Accounts) != 1 || r.Accounts[0].Name != "1002" || r.Accounts[0].Failures != 6 {
		t.Errorf("accounts %+v", r.Accounts)
	}
}

// Log entries about the daemon's own manager sessions count against nobody.
func TestOwnSessionsAreIgnored(t *testing.T) {
	var text strings.Builder
	for i := range 9 {
		line := entry(noon.Add(time.Duration(i)*time.Minute), "InvalidPassword", "TCP", "127.0.0.1", i)
		line = strings.ReplaceAll(line, "PJSIP", "AMI")
		text.WriteString(strings.Replace(line, `AccountID="1002"`, `AccountID="warden"`, 1))
		text.WriteString(strings.Replace(line, `AccountID="1002"`, `AccountID="`+intake.CanaryName+`X"`, 1))
	}
	path := write(t, "security", text.String())
	o := replay.Options{Policy: policy(), Zone: time.UTC}
	o.Policy.Username = "warden"
	for own, want := range map[netip.Addr]int{{}: 1, netip.MustParseAddr("127.0.0.1"): 0} {
		o.Own = own
		if r, err := replay.Run(t.Context(), []string{path}, o); err != nil || len(r.Bans) != want {
			t.Errorf("own %s: banned %v, %v; want %d", own, bans(r), err, want)
		}
	}
}

// Every observation is reported, even those that a ban would have stopped. Wrong answers
// to challenges of PJSIP are taken for confirmed, as they are live. Forged
// lines confirm no address, not even over a connection.
func TestObservations(t *testing.T) {
	text := notice(noon, "203.0.113.7", 1) + entry(noon.Add(time.Second), "InvalidAccountID", "TLS", "203.0.113.8", 2) +
		strings.Replace(entry(noon.Add(2*time.Second), "InvalidAccountID", "TCP", "203.0.113.9", 3), `AccountID="1002`, "AccountID=\"x\nRemoteAddress: IPV4/UDP/8.8.8.8/5", 1)
	var got []string
	_, err := replay.Run(t.Context(), []string{write(t, "messages", text)}, replay.Options{Policy: policy(), Zone: time.UTC, Saw: func(o *replay.Observation) {
		got = append(got, fmt.Sprintf("%s %s %s %s %s %s %s", o.At.Format(time.TimeOnly), o.Sensor, o.Kind, o.Source, o.Account, o.Session, o.Proof))
	}})
	want := []string{
		"12:00:00 log ChallengeResponseFailed 203.0.113.7 1002 1 proven",
		"12:00:01 security log InvalidAccountID 203.0.113.8 1002 2 proven",
		"12:00:02 security log Tampering 203.0.113.9   spoofable",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, observations\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A folder is read as a whole, in the order of the dates in its files, which may be
// compressed and more than are kept open. What is no log is skipped.
func TestFolder(t *testing.T) {
	folder := t.TempDir()
	names := []string{"messages.z.gz", "messages-b", "messages.1"}
	for i := range 20 {
		names = append(names, fmt.Sprintf("messages-%02d", 50-i)) // the newest name is the oldest file
	}
	size := int64(0)
	for i, name := range names {
		var text strings.Builder
		for n := range 40 {
			text.WriteString(notice(noon.Add(time.Duration(i)*time.Hour+time.Duration(n)*time.Minute), fmt.Sprintf("203.0.%d.%d", 113+i, n/4), i*100+n))
		}
		path := write(t, name, text.String())
		if err := os.Rename(path, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	for name, text := range map[string]string{"astdb.sqlite3": "x", "broken.gz": "\x1f\x8bx"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var last time.Time
	var done replay.Progress
	r, err := replay.Run(t.Context(), []string{folder}, replay.Options{Policy: policy(), Zone: time.UTC, Progress: func(p replay.Progress) { done = p }, Saw: func(o *replay.Observation) {
		if o.At.Before(last) {
			t.Errorf("%s after %s", o.At, last)
		}
		last = o.At
	}})
	if err != nil || len(r.Files) != len(names) || len(r.Skipped) != 2 || done.Read != size || done.Size != size {
		t.Fatalf("%v: %d files, skipped %+v, progress %+v of %d bytes", err, len(r.Files), r.Skipped, done, size)
	}
	for _, f := range r.Files {
		if f.Read != 40 || f.Lines != 40 || f.Damaged > 0 {
			t.Errorf("%+v", f)
		}
	}
	if len(r.Bans) != 10*len(names) {
		t.Errorf("%d bans, want %d", len(r.Bans), 10*len(names))
	}
	if r.Assumed != uint64(40*len(names)) {
		t.Errorf("assumed %d times that an address is confirmed", r.Assumed)
	}
}

// Damaged lines are counted and sampled, and do not hide other lines.
func TestDamage(t *testing.T) {
	text := notice(noon, "203.0.113.6", 1) + "[2026-11-22 12:" + "\n" + strings.Repeat("x", 200_000) + "\n" + "[2026-99-22 12:00:00] NOTICE[1] manager.c: x\n" +
		"\x00\xff\n" + notice(noon, "203.0.113.7", 2) + notice(noon, "203.0.113.7", 3) + notice(noon, "203.0.113.7", 4) + "[2026-11-22 12:00:01] NOT"
	r := run(t, write(t, "messages", text))
	f := r.Files[0]
	if f.Lines != 9 || f.Damaged != 5 || len(f.Samples) != 3 || f.Samples[0].Line != 2 {
		t.Errorf("file %+v", f)
	}
	// The line before the damage is not trusted: an attacker may have injected the break. Nor
	// do those right after it confirm an address.
	wantBans(t, r, "203.0.113.7 1 times, offence 0, sip, 0 stopped, 0 logins")
	for _, text := range []string{"", "\n", "x", "Event: ", "Asterisk Call Manager/5\r\n\r\n\x00", `"",""`, strings.Repeat(`"",`, 20)} {
		if r := run(t, write(t, "messages", text)); len(r.Bans) != 0 {
			t.Errorf("%q: bans %v", text, bans(r))
		}
	}
	if _, err := replay.Run(t.Context(), []string{"/nowhere"}, replay.Options{Policy: policy()}); err == nil {
		t.Error("replaying a missing file gave no error")
	}
}

// Call records are replayed in the order of their events, although they are
// written when calls end; damaged ones are counted.
func TestCallRecords(t *testing.T) {
	record := func(from, to time.Duration) string {
		return fmt.Sprintf(`"","1002","00442079460001","in","""x"" <1002>","PJSIP/1002-%08x","PJSIP/carrier-%08x","Dial","PJSIP/00442079460001@carrier,30","%s","%s","%s",1,1,"ANSWERED","DOCUMENTATION","%d.1",""`+"\n",
			int(from.Seconds()), int(from.Seconds()), noon.Add(from).Format(time.DateTime), noon.Add(from).Format(time.DateTime), noon.Add(to).Format(time.DateTime), int(from.Seconds()))
	}
	text := record(time.Minute, 2*time.Minute) + record(0, time.Hour) + "\"no record\n" + strings.Repeat(`"",`, 20) + "\n"
	r := run(t, write(t, "Master.csv", text))
	f := r.Files[0]
	if f.Format != replay.FormatCDR || f.Read != 2 || f.Damaged != 2 || r.From != noon || r.To != noon.Add(time.Hour) {
		t.Errorf("from %s to %s, file %+v", r.From, r.To, f)
	}
	if r.Counters.Events != 18 {
		t.Errorf("%d events, want 9 for each call", r.Counters.Events)
	}
}

// piped returns the path of a pipe with the text.
func piped(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if w, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			_, _ = io.WriteString(w, text) // fails when the reader closes the pipe
			_ = w.Close()
		}
	}()
	return path
}

// A pipe is read once, to its end; call records from a pipe are refused, because
// they are read twice.
func TestPipes(t *testing.T) {
	var log strings.Builder
	for i := range 5000 {
		log.WriteString(notice(noon.Add(time.Duration(i)*time.Second), "203.0.113.7", i))
	}
	if f := run(t, piped(t, log.String())).Files[0]; f.Read != 5000 || f.Damaged > 0 {
		t.Errorf("of 5000 lines of a log: %+v", f)
	}
	record := strings.Repeat(`"",`, 17) + "\"\"\n"
	_, err := replay.Run(t.Context(), []string{piped(t, record)}, replay.Options{Policy: policy()})
	if err == nil || !strings.Contains(err.Error(), "cannot come from a pipe: write them to a file") {
		t.Errorf("call records: %v", err)
	}
}

// Call records alone reveal fraud: an endpoint that calls out through a carrier is
// a phone, a carrier is not, and a second attempt is not a second call.
func TestCallRecordsRevealFraud(t *testing.T) {
	record := func(minute int, caller, number, out, data string) string {
		at := noon.Add(time.Duration(minute) * time.Minute).Format(time.DateTime)
		return fmt.Sprintf(`"","x","%s","in","""x"" <x>","PJSIP/%s-%08x","PJSIP/%s-%08x","Dial","%s","%s","","%s",9,0,"NO ANSWER","DOCUMENTATION"`+"\n", number, caller, minute, out, minute, data, at, at)
	}
	var text strings.Builder
	for i := range 5 { // one carrier fails, the next one is tried
		text.WriteString(record(i, "1001", "0044207946000"+strconv.Itoa(i), "carrier", "PJSIP/44@carrier,30"))
		text.WriteString(record(i, "1001", "0044207946000"+strconv.Itoa(i), "second", "PJSIP/44@second,30"))
		text.WriteString(record(10+i, "carrier", "0079460001"+strconv.Itoa(i), "1002", "PJSIP/1002/sip:1002@198.51.100.10:5060,30"))
	}
	text.WriteString(record(30, "1002", "00881612345678", "carrier", "PJSIP/00881612345678@carrier"))
	o := replay.Options{Policy: policy(), Zone: time.UTC}
	o.Policy.Calls.Dialling.Country = "GB"
	o.Policy.Calls.Limits = calls.Limits{Gap: time.Second, Destinations: calls.Destinations{Deny: []string{"satellite"}}}
	o.Policy.Thresholds = append(o.Policy.Thresholds, score.Threshold{
		Name: "fraud", Per: score.PerAccount, Score: 1, Within: time.Hour, Playbook: "block",
		Points: map[score.Signal]int{score.ForbiddenDestination: 1, score.Cadence: 1, score.AnonymousCall: 1},
	})
	r, err := replay.Run(t.Context(), []string{write(t, "Master.csv.gz", text.String())}, o)
	if err != nil || len(r.Incidents) != 1 || r.Incidents[0].Account != "1002" || !strings.Contains(r.Incidents[0].Reason, "satellite") {
		t.Errorf("%+v, %v", r.Incidents, err)
	}
}

// Memory does not grow with the number of lines, which TOLLWARDEN_REPLAY_LINES
// sets.
func TestMemoryIsFlat(t *testing.T) {
	lines := 200_000
	if n, err := strconv.Atoi(os.Getenv("TOLLWARDEN_REPLAY_LINES")); err == nil {
		lines = n
	}
	path := filepath.Join(t.TempDir(), "messages")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	for i := range lines {
		at := noon.Add(time.Duration(i) * 250 * time.Millisecond)
		if i%10 != 0 {
			fmt.Fprintf(w, "[%s] VERBOSE[55][C-%08x] pbx.c: Executing [s@in:%d] NoOp(\"PJSIP/1001-%08x\", \"\") in new stack\n", at.Format("2006-01-02 15:04:05.000"), i, i%9, i)
			continue
		}
		source := netip.AddrFrom4([4]byte{203, byte(i / 700 >> 16), byte(i / 700 >> 8), byte(i / 700)})
		if _, err := w.WriteString(notice(at, source.String(), i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var early, most uint64
	began := time.Now()
	n := 0
	r, err := replay.Run(t.Context(), []string{path}, replay.Options{Policy: policy(), Zone: time.UTC, Progress: func(p replay.Progress) {
		if n++; n%32 != 0 {
			return
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		if early == 0 && p.Read*4 > p.Size {
			early = m.HeapAlloc
		}
		most = max(most, m.HeapAlloc)
	}})
	if err != nil || r.Files[0].Lines != uint64(lines) || r.Files[0].Read != uint64(lines/10) {
		t.Fatalf("%v, %+v", err, r)
	}
	t.Logf("%d lines in %s, %d incidents; heap %d MB at a quarter, %d MB at most", lines, time.Since(began).Round(time.Millisecond), r.Counters.Incidents, early>>20, most>>20)
	if most > early+128<<20 {
		t.Errorf("the heap grew from %d to %d MB", early>>20, most>>20)
	}
}

// Exports as people have them reveal the same thief: with a byte order mark, with names in
// the first line, over IAX2, and to a number in a URI.
func TestExportsRevealTheThief(t *testing.T) {
	o := replay.Options{Policy: policy(), Zone: time.UTC}
	o.Policy.Calls.Dialling.Country = "GB"
	o.Policy.Calls.Limits = calls.Limits{Gap: time.Second, Destinations: calls.Destinations{Deny: []string{"satellite"}}}
	o.Policy.Thresholds = append(o.Policy.Thresholds, score.Threshold{
		Name: "fraud", Per: score.PerAccount, Score: 1, Within: time.Hour, Playbook: "block", Points: map[score.Signal]int{score.ForbiddenDestination: 1},
	})
	for name, thief := range map[string]string{"export-with-bom": "1001", "cdr-custom": "1001", "freepbx-export": "1001", "iax-caller": "branch", "sip-uri-destination": "1001"} {
		r, err := replay.Run(t.Context(), []string{"../cdr/testdata/" + name + ".csv"}, o)
		if err != nil {
			t.Fatal(err)
		}
		if f := r.Files[0]; f.Read != 12 || f.Damaged > 0 || len(f.Notes) > 0 {
			t.Errorf("%s: %+v", name, f)
		}
		if len(r.Incidents) == 0 || r.Incidents[0].Account != thief {
			t.Errorf("%s: incidents %+v", name, r.Incidents)
		}
	}
}

// What can be read but not attributed is counted, with the first such line.
func TestNotes(t *testing.T) {
	row := func(channel, data string, n int) string {
		return fmt.Sprintf(`"","x","5","in","x","%s","PJSIP/carrier-%08x","Dial","%s","%s","","%s",9,0,"NO ANSWER","DOCUMENTATION","%d.0",""`+"\n", channel, n, data, noon.Format(time.DateTime), noon.Format(time.DateTime), n)
	}
	text := row("PJSIP/1001-00000010", "PJSIP/00442079460001@carrier", 1) + row("DAHDI/5-1", "PJSIP/00442079460001@carrier", 2) + row("DAHDI/6-1", "PJSIP/00442079460001@carrier", 3) + row("PJSIP/1001-00000011", ",30", 4)
	f := run(t, write(t, "Master.csv", text)).Files[0]
	if len(f.Notes) != 2 || f.Notes[0].Count != 2 || f.Notes[0].Line != 2 || f.Notes[0].Text != "DAHDI/5-1" || f.Notes[1].Line != 4 {
		t.Errorf("%+v", f)
	}
}

// A date whose day and month cannot be told apart is not guessed at.
func TestUnclearDatesAreRefused(t *testing.T) {
	path := write(t, "calls.csv", "calldate;src;dst;channel;duration\n3/4/2026 10:00:00;1001;0044;PJSIP/1001-00000010;94\n")
	o := replay.Options{Policy: policy(), Zone: time.UTC}
	if _, err := replay.Run(t.Context(), []string{path}, o); err == nil || !strings.Contains(err.Error(), "--dates day-first") {
		t.Errorf("without the option: %v", err)
	}
	o.Dates = cdr.MonthFirst
	if r, err := replay.Run(t.Context(), []string{path}, o); err != nil || r.From != time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC) {
		t.Errorf("with it: %+v, %v", r, err)
	}
}

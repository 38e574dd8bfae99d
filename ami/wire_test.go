package ami

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tollwarden/tollwarden/ami/event"
)

// blockCopy is a copy of a block, for comparison.
type blockCopy struct {
	Lines  []string // "Name: value", or "! line" without a name
	Damage event.Damage
}

func copyOf(b *event.Block) blockCopy {
	h := blockCopy{Damage: b.Damage}
	for _, f := range b.Headers {
		if f.Name == nil {
			h.Lines = append(h.Lines, "! "+string(f.Value))
			continue
		}
		h.Lines = append(h.Lines, string(f.Name)+": "+string(f.Value))
	}
	return h
}

func readAll(r *Reader) (all []blockCopy, err error) {
	for {
		b, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, copyOf(b))
	}
}

func sameBlocks(a, b []blockCopy) bool {
	return slices.EqualFunc(a, b, func(a, b blockCopy) bool {
		return a.Damage == b.Damage && slices.Equal(a.Lines, b.Lines)
	})
}

// reference is a second, simple implementation of the Reader that works on the whole
// stream in memory.
func reference(stream string) (all []blockCopy, err error) {
	var (
		now         blockCopy
		size, lines int
		response    bool
		bad         [event.BareCR + 1]bool
		done        bool // exceeded a limit: the rest of the block is dropped
	)
	parts := strings.Split(stream, "\r\n")
	for _, line := range parts[:len(parts)-1] {
		if line == "" {
			if lines > 0 || done {
				for d := event.LineTooLong; d <= event.BareCR && now.Damage == event.Undamaged; d++ {
					if bad[d] {
						now.Damage = d
					}
				}
				all = append(all, now)
			}
			now, size, lines, response, bad, done = blockCopy{}, 0, 0, false, [event.BareCR + 1]bool{}, false
			continue
		}
		if lines == 0 && !done {
			response = strings.HasPrefix(line, "Response:")
		}
		if done {
			continue
		}
		limit := eventLimits
		if response {
			limit = responseLimits
		}
		size += len(line) + 2
		switch {
		case len(line) > limit.line:
			now.Damage, done = event.LineTooLong, true
			continue
		case lines == limit.headers:
			now.Damage, done = event.TooManyHeaders, true
			continue
		case size > limit.block:
			now.Damage, done = event.BlockTooLarge, true
			continue
		}
		lines++
		name, value, found := strings.Cut(line, ":")
		if !found || name == "" {
			now.Lines = append(now.Lines, "! "+line)
			bad[event.NoColon] = true
		} else {
			now.Lines = append(now.Lines, name+": "+strings.TrimPrefix(value, " "))
		}
		if response && name == "Output" && strings.HasPrefix(now.Lines[0], "Response: ") {
			continue
		}
		bad[event.BareLF] = bad[event.BareLF] || strings.Contains(line, "\n")
		bad[event.BareCR] = bad[event.BareCR] || strings.Contains(line, "\r")
		bad[event.NUL] = bad[event.NUL] || strings.Contains(line, "\x00")
	}
	if lines > 0 || done || parts[len(parts)-1] != "" {
		return all, io.ErrUnexpectedEOF
	}
	return all, io.EOF
}

const intact = "Event: Following\r\nKey: value\r\n\r\n"

// Each stream contains one damaged block. The block after it is never lost.
var damagedBlocks = []struct {
	name   string
	stream string
	want   blockCopy
}{
	{"line without colon", "Event: X\r\nno colon here\r\n\r\n", blockCopy{[]string{"Event: X", "! no colon here"}, event.NoColon}},
	{"line that begins with its colon", "Event: X\r\n: y\r\n\r\n", blockCopy{[]string{"Event: X", "! : y"}, event.NoColon}},
	{"headless block", "SessionID: 1\r\n\r\n", blockCopy{[]string{"SessionID: 1"}, event.Undamaged}},
	{"NUL in a value", "Event: X\r\nA: b\x00c\r\n\r\n", blockCopy{[]string{"Event: X", "A: b\x00c"}, event.NUL}},
	{"NUL in a name", "Event: X\r\nA\x00: b\r\n\r\n", blockCopy{[]string{"Event: X", "A\x00: b"}, event.NUL}},
	{"bare LF in a value", "Event: X\r\nA: b\nRemoteAddress: c\r\n\r\n", blockCopy{[]string{"Event: X", "A: b\nRemoteAddress: c"}, event.BareLF}},
	{"empty line made of bare LFs", "Event: X\r\nA: b\n\nEvent: Y\r\n\r\n", blockCopy{[]string{"Event: X", "A: b\n\nEvent: Y"}, event.BareLF}},
	{"LF alone on a line", "Event: X\r\n\n\r\n\r\n", blockCopy{[]string{"Event: X", "! \n"}, event.NoColon}},
	{"bare CR in a value", "Event: X\r\nA: b\rRemoteAddress: c\r\n\r\n", blockCopy{[]string{"Event: X", "A: b\rRemoteAddress: c"}, event.BareCR}},
	{"CR before CRLF", "Event: X\r\nA: b\r\r\n\r\n", blockCopy{[]string{"Event: X", "A: b\r"}, event.BareCR}},
	{"LF before CR", "Event: X\n\r\r\n\r\n", blockCopy{[]string{"Event: X\n\r"}, event.BareLF}},
	{"PJSIP error that ends with LF", "Response: Error\r\nMessage: No Contacts found\n\r\n\r\n", blockCopy{[]string{"Response: Error", "Message: No Contacts found\n"}, event.BareLF}},
	{"several empty lines before a block", "\r\n\r\n\r\nEvent: X\r\n\r\n", blockCopy{[]string{"Event: X"}, event.Undamaged}},
	{"value without a space", "Event:X\r\n\r\n", blockCopy{[]string{"Event: X"}, event.Undamaged}},
	{"value with two spaces and colons", "Event:  X: y:z \r\n\r\n", blockCopy{[]string{"Event:  X: y:z "}, event.Undamaged}},
	{"empty value", "Event: X\r\nA:\r\nB: \r\n\r\n", blockCopy{[]string{"Event: X", "A: ", "B: "}, event.Undamaged}},
	{"command output with any bytes", "Response: Success\r\nOutput: a\rb\x00c: d\r\nOutput: \r\n\r\n", blockCopy{[]string{"Response: Success", "Output: a\rb\x00c: d", "Output: "}, event.Undamaged}},
	{"event with Output", "Event: X\r\nOutput: a\rb\r\n\r\n", blockCopy{[]string{"Event: X", "Output: a\rb"}, event.BareCR}},
	{"response with other damaged lines", "Response: Success\r\nOutput: a\rb\r\nA: c\rd\r\n\r\n", blockCopy{[]string{"Response: Success", "Output: a\rb", "A: c\rd"}, event.BareCR}},
	{"GetConfig line without a colon", "Response: Success\r\nNo categories found\r\n\r\n", blockCopy{[]string{"Response: Success", "! No categories found"}, event.NoColon}},
	{"line over the limit", "Event: X\r\nA: " + strings.Repeat("b", eventLimits.line) + "\r\nC: d\r\n\r\n", blockCopy{[]string{"Event: X"}, event.LineTooLong}},
	{"endless first line", strings.Repeat("x", 3*bufferSize) + "\r\n\r\n", blockCopy{nil, event.LineTooLong}},
	{"line of exactly the limit", "A: " + strings.Repeat("b", eventLimits.line-3) + "\r\n\r\n", blockCopy{[]string{"A: " + strings.Repeat("b", eventLimits.line-3)}, event.Undamaged}},
	{"too many headers", strings.Repeat("A: b\r\n", eventLimits.headers+1) + "\r\n", blockCopy{slices.Repeat([]string{"A: b"}, eventLimits.headers), event.TooManyHeaders}},
	{"block over the limit", strings.Repeat("A: "+strings.Repeat("b", 1019)+"\r\n", 65) + "\r\n", blockCopy{slices.Repeat([]string{"A: " + strings.Repeat("b", 1019)}, 64), event.BlockTooLarge}},
	{"block many buffers long", strings.Repeat("A: "+strings.Repeat("b", 1019)+"\r\n", 3000) + "\r\n", blockCopy{slices.Repeat([]string{"A: " + strings.Repeat("b", 1019)}, 64), event.BlockTooLarge}},
}

func TestDamagedBlockIsReportedAndNextOneKept(t *testing.T) {
	for _, c := range damagedBlocks {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(c.stream + intact))
			all, err := readAll(r)
			want := []blockCopy{c.want, {[]string{"Event: Following", "Key: value"}, event.Undamaged}}
			if err != io.EOF || !sameBlocks(all, want) {
				t.Errorf("got %.300q, %v\nwant %.300q, EOF", all, err, want)
			}
			counted, expected := r.damaged.Load(), uint64(0)
			if c.want.Damage != event.Undamaged {
				expected = 1
			}
			if counted != expected {
				t.Errorf("counted %d times, want %d", counted, expected)
			}
		})
	}
}

func TestStreamEndingInsideBlockReturnsNoBlock(t *testing.T) {
	const block = "Event: X\r\nA: b\r\n\r\n"
	for cut := range len(block) {
		all, err := readAll(NewReader(strings.NewReader(intact + block[:cut])))
		want := io.ErrUnexpectedEOF
		if cut == 0 {
			want = io.EOF
		}
		if len(all) != 1 || err != want {
			t.Errorf("cut after %q: %d blocks, %v; want 1, %v", block[:cut], len(all), err, want)
		}
	}
	// The same for a block that exceeded a limit.
	all, err := readAll(NewReader(strings.NewReader(strings.Repeat("x", 2*eventLimits.line) + "\r\n")))
	if len(all) != 0 || err != io.ErrUnexpectedEOF {
		t.Errorf("cut in a dropped block: %d blocks, %v", len(all), err)
	}
}

// twoReads returns a reader that delivers stream in two pieces.
func twoReads(stream []byte, at int) io.Reader {
	return io.MultiReader(bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:]))
}

func TestSplitReadsAtEveryByte(t *testing.T) {
	var stream []byte
	for _, c := range damagedBlocks {
		if len(c.stream) < 200 {
			stream = append(stream, c.stream+intact...)
		}
	}
	stream = append(stream, capture(t, "injection-asterisk22.txt")...)
	want, wantErr := reference(string(stream))
	for at := range stream {
		got, err := readAll(NewReader(twoReads(stream, at)))
		if err != wantErr || !sameBlocks(got, want) {
			t.Fatalf("cut at byte %d: %d blocks, %v; want %d, %v", at, len(got), err, len(want), wantErr)
		}
	}
}

func TestOneByteReads(t *testing.T) {
	for _, c := range damagedBlocks {
		got, err := readAll(NewReader(iotest.OneByteReader(strings.NewReader(c.stream + intact))))
		if err != io.EOF || len(got) != 2 || !sameBlocks(got[:1], []blockCopy{c.want}) {
			t.Errorf("%s: %d blocks, %v, first %.200q", c.name, len(got), err, got)
		}
	}
}

// capture returns a stream recorded from a real Asterisk, without its banner.
func capture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	_, blocks, found := bytes.Cut(data, []byte("\r\n"))
	if !found {
		t.Fatalf("%s has no banner", name)
	}
	return blocks
}

func TestCaptures(t *testing.T) {
	for _, c := range []struct {
		file, banner string
	}{
		{"fraud-asterisk16-chansip.txt", "Asterisk Call Manager/5.0.4"},
		{"fraud-asterisk22-pjsip.txt", "Asterisk Call Manager/11.0.0"},
	} {
		f, err := os.Open(filepath.Join("testdata", c.file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := NewReader(f)
		if banner, err := r.Banner(); banner != c.banner || err != nil {
			t.Errorf("%s: banner %q, %v", c.file, banner, err)
		}
		all, err := readAll(r)
		want, wantErr := reference(string(capture(t, c.file)))
		if err != wantErr || !sameBlocks(all, want) {
			t.Errorf("%s: got %d blocks, %v; want %d, %v", c.file, len(all), err, len(want), wantErr)
		}
		for _, b := range all {
			if b.Damage != event.Undamaged {
				t.Errorf("%s: %v: %q", c.file, b.Damage, b.Lines)
			}
		}
	}
}

// A sender ended an event early and started another. The Reader returns both as received;
// the schema rejects them later.
func TestForgedBlocksAreReturnedAsReceived(t *testing.T) {
	all, err := readAll(NewReader(bytes.NewReader(capture(t, "injection-asterisk22.txt"))))
	if err != io.EOF {
		t.Fatal(err)
	}
	want := []blockCopy{
		{[]string{
			"Event: InvalidAccountID", "Privilege: security,all", "EventTV: 2026-11-22T00:46:05.064+0000",
			"Severity: Error", "Service: PJSIP", "EventVersion: 1", "AccountID: ",
		}, event.Undamaged},
		{[]string{"Event: SuccessfulAuth"}, event.Undamaged},
		{[]string{
			"SessionID: 816577894", "LocalAddress: IPV4/UDP/192.0.2.1/5060",
			"RemoteAddress: IPV4/UDP/192.0.2.66/43412",
		}, event.Undamaged},
	}
	for i := range all {
		if i+3 <= len(all) && sameBlocks(all[i:i+3], want) {
			return
		}
	}
	t.Errorf("the forged blocks are not in %q", all)
}

func TestBanner(t *testing.T) {
	for _, c := range []struct {
		greeting, want string
		err            error
	}{
		{"Asterisk Call Manager/11.0.0\r\n", "Asterisk Call Manager/11.0.0", nil},
		{"SSH-2.0-OpenSSH_9.2\r\n", "", ErrNotAsterisk},
		{strings.Repeat("x", 4096), "", ErrNotAsterisk},
		{"Asterisk Call Man", "", io.ErrUnexpectedEOF},
		{"", "", io.EOF},
	} {
		r := NewReader(iotest.OneByteReader(strings.NewReader(c.greeting + intactAfter(c.err))))
		got, err := r.Banner()
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%.40q: %q, %v; want %q, %v", c.greeting, got, err, c.want, c.err)
		}
		if c.err != nil {
			continue
		}
		if all, err := readAll(r); len(all) != 1 || err != io.EOF {
			t.Errorf("%d blocks after the banner, %v", len(all), err)
		}
	}
}

func intactAfter(err error) string {
	if err != nil {
		return ""
	}
	return intact
}

func TestLargeResponseMemoryIsReleased(t *testing.T) {
	const line = "Output: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
	lines := responseLimits.block/len(line) - 1
	answer := "Response: Success\r\n" + strings.Repeat(line, lines) + "\r\n"
	r := NewReader(strings.NewReader(answer + intact + intact))
	b, err := r.Next()
	if err != nil || b.Damage != event.Undamaged || len(b.Headers) != lines+1 {
		t.Fatalf("%d headers, %v, %v; want %d", len(b.Headers), b.Damage, err, lines+1)
	}
	for _, h := range b.Headers[1:] {
		if string(h.Name)+": "+string(h.Value)+"\r\n" != line {
			t.Fatalf("a line came out as %q: %q", h.Name, h.Value)
		}
	}
	if b, err = r.Next(); err != nil || copyOf(b).Lines[1] != "Key: value" {
		t.Fatalf("the block after: %v, %v", b, err)
	}
	if len(r.buf) != bufferSize || cap(r.block.Headers) > keptHeaders {
		t.Errorf("still holds %d bytes and %d headers", len(r.buf), cap(r.block.Headers))
	}
	over := NewReader(strings.NewReader(strings.Replace(answer, line, strings.Repeat(line, 4), 1) + intact))
	if b, err = over.Next(); err != nil || b.Damage != event.BlockTooLarge {
		t.Errorf("over the limit: %v, %v", b.Damage, err)
	}
	if b, err = over.Next(); err != nil || copyOf(b).Lines[1] != "Key: value" {
		t.Errorf("the block after: %v, %v", b, err)
	}
}

func TestReaderWithoutProgressFails(t *testing.T) {
	if _, err := NewReader(nothing{}).Next(); err != io.ErrNoProgress {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestErrorWithLastBytesIsNotLost(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(iotest.DataErrReader(io.MultiReader(strings.NewReader(intact), iotest.ErrReader(broken))))
	all, err := readAll(r)
	if len(all) != 1 || err != broken {
		t.Errorf("%d blocks, %v; want 1, %v", len(all), err, broken)
	}
	if _, err := r.Next(); err != broken {
		t.Errorf("asked again: %v, want %v", err, broken)
	}
}

// FuzzReader compares the Reader with the reference, for reads of any size.
func FuzzReader(f *testing.F) {
	for _, c := range damagedBlocks {
		if len(c.stream) < 1<<12 {
			f.Add([]byte(c.stream+intact), uint8(3))
		}
	}
	f.Add(capture(f, "injection-asterisk22.txt"), uint8(250))
	f.Add([]byte("Event: X\r\nA: "+strings.Repeat("b", eventLimits.line)+"\r\n\r\n"+intact), uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		want, wantErr := reference(string(stream))
		for _, src := range []io.Reader{
			bytes.NewReader(stream),
			&pieces{stream, 1 + int(piece)},
		} {
			got, err := readAll(NewReader(src))
			if err != wantErr || !sameBlocks(got, want) {
				t.Fatalf("got %q, %v\nwant %q, %v", got, err, want, wantErr)
			}
		}
	})
}

// pieces is a reader that delivers a stream in pieces of one size.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.rest[:min(p.size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

// flood is an endless stream of PJSIP security events.
type flood struct {
	stream []byte
	at     int
}

func newFlood() *flood {
	var b bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&b, "Event: ChallengeResponseFailed\r\nPrivilege: security,all\r\n"+
			"EventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: Error\r\nService: PJSIP\r\nEventVersion: 1\r\n"+
			"AccountID: 1002\r\nSessionID: %d-26602@192.0.2.66\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\n"+
			"RemoteAddress: IPV4/UDP/192.0.2.66/5060\r\nChallenge: 1795307186/d5860766b3641f2e83a5836c8ec17bd1\r\n"+
			"Response: b657fffe7b6df4499c2aa9be96fde0fb\r\nExpectedResponse: \r\n\r\n", i)
	}
	return &flood{stream: b.Bytes()}
}

func (f *flood) Read(p []byte) (int, error) {
	n := copy(p, f.stream[f.at:])
	f.at = (f.at + n) % len(f.stream)
	return n, nil
}

func TestReadingABlockAllocatesNothing(t *testing.T) {
	r := NewReader(newFlood())
	for range 10_000 { // warm up the buffer
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100_000, func() {
		if b, err := r.Next(); err != nil || len(b.Headers) != 13 {
			t.Fatal(len(b.Headers), err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a block, want none", n)
	}
}

func BenchmarkReader(b *testing.B) {
	f := newFlood()
	r := NewReader(f)
	b.SetBytes(int64(len(f.stream) / 2000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// Raw holds the lines of a block as received, or the lines kept if it was cut short.
func TestRaw(t *testing.T) {
	long := strings.Repeat("x", eventLimits.line+1)
	r := NewReader(iotest.OneByteReader(strings.NewReader("\r\nEvent: A\r\nX:  b\nc\r\n\r\nEvent: B\r\nY: " + long + "\r\nZ: d\r\n\r\nEvent: C\r\n\r\n")))
	for _, want := range []string{"Event: A\r\nX:  b\nc\r\n", "Event: B\r\n", "Event: C\r\n"} {
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if string(b.Raw) != want {
			t.Errorf("raw block %q, want %q", b.Raw, want)
		}
	}
}

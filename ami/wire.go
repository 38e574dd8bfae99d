package ami

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tollwarden/tollwarden/ami/event"
)

// limits bound the size of one block, in bytes and headers. A line does not include its
// CRLF; a block includes all of them.
type limits struct{ line, headers, block int }

var (
	// Asterisk's events stay below 4 KiB, except for the parts that senders fill.
	eventLimits = limits{line: 16 << 10, headers: 256, block: 64 << 10}
	// Responses answer only our own actions, and those to Command and GetConfig contain
	// whole listings and files.
	responseLimits = limits{line: 1 << 20, headers: 512 << 10, block: 16 << 20}
)

const (
	// bufferSize fits the largest event and the line after it, so that the buffer grows
	// only for responses.
	bufferSize = 256 << 10
	// minRead avoids tiny reads at the end of the buffer.
	minRead = 4 << 10
	// keptHeaders is the capacity of the header table that is reused for all blocks.
	keptHeaders = 256
)

// Reader splits an AMI stream into blocks: lines end with CRLF, blocks with an empty
// line. It does not interpret or trust the lines, and never loses the block after a
// damaged one. It is not safe for concurrent use.
type Reader struct {
	src io.Reader
	err error // from a Read that also returned bytes

	buf   []byte
	start int // start of the current block
	line  int // start of the current line
	seen  int // the current line does not end before here
	end   int // end of the bytes read

	block   event.Block
	lines   int
	noColon bool
	bareLF  bool
	cut     event.Damage // the limit that the block exceeded; its rest is being dropped
	kept    int          // bytes of the block that were kept

	damaged *atomic.Uint64 // counts damaged blocks

	load     *load // nil: no load shedding
	shedding int   // what to shed
	shed     *Shed
}

// NewReader returns a Reader that reads from src. It reads ahead.
func NewReader(src io.Reader) *Reader {
	return &Reader{
		src:     src,
		buf:     make([]byte, bufferSize),
		block:   event.Block{Headers: make([]event.Header, 0, keptHeaders)},
		damaged: new(atomic.Uint64),
	}
}

// Next returns the next block. At the end of the stream it returns io.EOF, or
// io.ErrUnexpectedEOF when the stream ended inside a block, which is dropped.
func (r *Reader) Next() (*event.Block, error) {
	r.release()
	for r.shedding > shedNothing && r.shedBlock() {
		r.release()
	}
	for !r.scan() {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	return &r.block, nil
}

// ErrNotAsterisk reports a peer without the greeting of Asterisk's manager.
var ErrNotAsterisk = errors.New("not an Asterisk manager")

// Banner reads Asterisk's greeting, such as "Asterisk Call Manager/11.0.0". It must be
// called once, before Next.
func (r *Reader) Banner() (string, error) {
	const longest = 128
	for {
		if i := bytes.IndexByte(r.buf[r.line:r.end], '\n'); i >= 0 && i < longest {
			line := strings.TrimSuffix(string(r.buf[r.line:r.line+i]), "\r")
			if !strings.HasPrefix(line, "Asterisk Call Manager/") {
				return "", fmt.Errorf("%w: the greeting is %q", ErrNotAsterisk, line)
			}
			r.line += i + 1
			r.release()
			return line, nil
		}
		if r.end-r.line >= longest {
			return "", fmt.Errorf("%w: no line in its first %d bytes", ErrNotAsterisk, longest)
		}
		if err := r.fill(); err != nil {
			return "", err
		}
	}
}

// release discards the last block and shrinks memory after a large one.
func (r *Reader) release() {
	r.start, r.seen = r.line, r.line
	r.lines, r.noColon, r.bareLF, r.cut = 0, false, false, event.Undamaged
	r.block.Headers = r.block.Headers[:0]
	if cap(r.block.Headers) > 16*keptHeaders {
		r.block.Headers = make([]event.Header, 0, keptHeaders)
	}
	switch left := r.end - r.start; {
	case len(r.buf) > bufferSize && left <= bufferSize/2:
		r.move(make([]byte, bufferSize))
	case left == 0:
		r.start, r.line, r.seen, r.end = 0, 0, 0, 0
	}
}

// scan continues through the bytes read and returns whether the block is complete.
func (r *Reader) scan() bool {
	if r.cut != event.Undamaged {
		return r.skip()
	}
	for {
		i := bytes.IndexByte(r.buf[r.seen:r.end], '\n')
		if i < 0 {
			r.seen = r.end
			// A CR at the end may be the first half of CRLF.
			if r.end-r.line > eventLimits.line+1 && r.end-r.line > r.limits().line+1 {
				return r.breakOff(event.LineTooLong)
			}
			return false
		}
		lf := r.seen + i
		r.seen = lf + 1
		if lf == r.line || r.buf[lf-1] != '\r' {
			r.bareLF = true // the line continues
			continue
		}
		line := r.buf[r.line : lf-1]
		if len(line) == 0 {
			if r.lines == 0 { // consecutive empty lines
				r.line = r.seen
				r.start = r.line
				continue
			}
			r.block.Raw = r.buf[r.start:r.line]
			r.line = r.seen
			r.finish(r.judge())
			return true
		}
		if exceeded := r.over(len(line)); exceeded != event.Undamaged {
			return r.breakOff(exceeded)
		}
		r.line = r.seen
		r.lines++
		r.add(line)
	}
}

// add parses one line into a header.
func (r *Reader) add(line []byte) {
	n := len(r.block.Headers)
	if n == cap(r.block.Headers) {
		r.block.Headers = slices.Grow(r.block.Headers, 1)
	}
	r.block.Headers = r.block.Headers[:n+1]
	h := &r.block.Headers[n] // filled in place, because copying is expensive here
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		r.noColon = true
		h.Name, h.Value = nil, line
		return
	}
	value := line[colon+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	h.Name, h.Value = line[:colon], value
}

// over returns the limit that a line of that length would exceed. r.seen is the end of
// the line.
func (r *Reader) over(line int) event.Damage {
	if line <= eventLimits.line && r.lines < eventLimits.headers && r.seen-r.start <= eventLimits.block {
		return event.Undamaged
	}
	switch c := r.limits(); {
	case line > c.line:
		return event.LineTooLong
	case r.lines >= c.headers:
		return event.TooManyHeaders
	case r.seen-r.start > c.block:
		return event.BlockTooLarge
	}
	return event.Undamaged
}

// limits returns the limits for the current block.
func (r *Reader) limits() limits {
	if bytes.HasPrefix(r.buf[r.start:r.end], []byte("Response:")) {
		return responseLimits
	}
	return eventLimits
}

// breakOff keeps the block so far and drops the rest of it.
func (r *Reader) breakOff(exceeded event.Damage) bool {
	r.cut, r.seen, r.kept = exceeded, r.line, r.line-r.start
	return r.skip()
}

// skip looks for the end of a block that is being dropped.
func (r *Reader) skip() bool {
	const end = "\r\n\r\n"
	i := bytes.Index(r.buf[r.seen:r.end], []byte(end))
	if i < 0 {
		r.seen = max(r.seen, r.end-len(end)+1)
		return false
	}
	r.line = r.seen + i + len(end)
	r.block.Raw = r.buf[r.start : r.start+r.kept]
	r.finish(r.cut)
	return true
}

// judge returns the damage of a block within the limits.
func (r *Reader) judge() event.Damage {
	whole := r.buf[r.start:r.line]
	nul := bytes.IndexByte(whole, 0) >= 0
	bareCR := bytes.Count(whole, []byte{'\r'}) != r.lines+1
	if (nul || bareCR || r.bareLF) && r.block.IsResponse() {
		nul, bareCR, r.bareLF = r.judgeAnswer()
	}
	switch {
	case r.noColon:
		return event.NoColon
	case r.bareLF:
		return event.BareLF
	case nul:
		return event.NUL
	case bareCR:
		return event.BareCR
	}
	return event.Undamaged
}

// judgeAnswer checks the lines of a response again, without "Output" headers. Since
// Asterisk 14 they contain the lines printed by a CLI command, which can be anything.
func (r *Reader) judgeAnswer() (nul, bareCR, bareLF bool) {
	for _, h := range r.block.Headers {
		if string(h.Name) == "Output" {
			continue
		}
		for _, part := range [...][]byte{h.Name, h.Value} {
			nul = nul || bytes.IndexByte(part, 0) >= 0
			bareCR = bareCR || bytes.IndexByte(part, '\r') >= 0
			bareLF = bareLF || bytes.IndexByte(part, '\n') >= 0
		}
	}
	return nul, bareCR, bareLF
}

func (r *Reader) finish(d event.Damage) {
	r.block.Damage = d
	r.block.Rest = r.buf[r.line:r.end]
	if d != event.Undamaged {
		r.damaged.Add(1)
	}
}

// fill reads more bytes, making room for them first.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.ending(r.err)
	}
	r.room()
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			r.err = err
			if r.load != nil {
				r.shedding = r.load.level(n)
			}
			return nil
		}
		if err != nil {
			r.err = err
			return r.ending(err)
		}
	}
	return io.ErrNoProgress
}

// ending distinguishes the end of the stream between blocks from one inside a block.
func (r *Reader) ending(err error) error {
	if errors.Is(err, io.EOF) && r.end > r.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// room makes room for a read. Each move frees at least as many bytes as it moves, so all
// moves together cost less than the reads.
func (r *Reader) room() {
	if r.cut != event.Undamaged { // drop all but the last bytes
		r.end = r.line + copy(r.buf[r.line:], r.buf[r.seen:r.end])
		r.seen = r.line
	}
	switch {
	case len(r.buf)-r.end >= minRead:
	case r.end-r.start <= len(r.buf)/2:
		r.move(r.buf)
	default:
		r.move(make([]byte, 2*len(r.buf)))
	}
}

// move moves the current block to the front of a buffer, which may be the current one.
func (r *Reader) move(to []byte) {
	copy(to, r.buf[r.start:r.end])
	for i := range r.block.Headers {
		h := &r.block.Headers[i]
		h.Name, h.Value = r.moved(h.Name, to), r.moved(h.Value, to)
	}
	r.line, r.seen, r.end = r.line-r.start, r.seen-r.start, r.end-r.start
	r.start, r.buf = 0, to
}

// moved returns the slice after the move. The capacity of a slice extends to the end of
// the buffer, which shows where the slice starts.
func (r *Reader) moved(view, to []byte) []byte {
	if len(view) == 0 {
		return nil
	}
	at := cap(r.buf) - cap(view) - r.start
	return to[at : at+len(view)]
}

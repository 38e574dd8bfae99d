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

// caps bound what one block may hold. Sizes are in bytes; a line is counted
// without its CRLF, a block with all of them.
type caps struct{ line, headers, block int }

var (
	// Asterisk's own events stay below 4 KiB; senders fill parts of them.
	eventCaps = caps{line: 16 << 10, headers: 256, block: 64 << 10}
	// Only this daemon's own actions are answered, and Command and GetConfig
	// answer with whole listings and files.
	responseCaps = caps{line: 1 << 20, headers: 512 << 10, block: 16 << 20}
)

const (
	// bufferSize holds the largest event and its next line, so that the buffer
	// grows for responses only.
	bufferSize = 256 << 10
	// minRead keeps reads from shrinking to a few bytes at the buffer's end.
	minRead = 4 << 10
	// keptHeaders is the header table kept from block to block.
	keptHeaders = 256
)

// Reader splits a stream of AMI into its blocks: lines ended by CRLF, blocks
// ended by an empty line. It believes nothing of what the lines say, knows no
// event, and never loses the block after a damaged one. It is not safe for
// concurrent use.
type Reader struct {
	src io.Reader
	err error // kept from a Read that also gave bytes

	buf   []byte
	start int // of the block being read
	line  int // of the line being read
	seen  int // the end of the line was not found before here
	end   int // of the bytes read

	block   event.Block
	lines   int
	noColon bool
	bareLF  bool
	cut     event.Damage // the cap the block broke; the rest of it is being dropped
	kept    int          // bytes before that

	damaged *atomic.Uint64 // counts damaged blocks

	load   *load // nil: nothing is ever passed over
	degree int   // of overload
	shed   *Shed
}

// NewReader returns a Reader of src. It reads ahead.
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
	for r.degree > shedNothing && r.passOver() {
		r.release()
	}
	for !r.scan() {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	return &r.block, nil
}

// ErrNotAsterisk reports a peer that does not greet as Asterisk's manager does.
var ErrNotAsterisk = errors.New("no Asterisk manager answers there")

// Banner reads the line with which Asterisk greets, such as
// "Asterisk Call Manager/11.0.0". It is called once, before Next.
func (r *Reader) Banner() (string, error) {
	const longest = 128
	for {
		if i := bytes.IndexByte(r.buf[r.line:r.end], '\n'); i >= 0 && i < longest {
			line := strings.TrimSuffix(string(r.buf[r.line:r.line+i]), "\r")
			if !strings.HasPrefix(line, "Asterisk Call Manager/") {
				return "", fmt.Errorf("%w: it greets with %q", ErrNotAsterisk, line)
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

// release frees the last block and the memory that a large one took.
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

// scan goes on through the bytes at hand and says whether the block is whole.
func (r *Reader) scan() bool {
	if r.cut != event.Undamaged {
		return r.skip()
	}
	for {
		i := bytes.IndexByte(r.buf[r.seen:r.end], '\n')
		if i < 0 {
			r.seen = r.end
			// A CR at the end may be half of the line's end.
			if r.end-r.line > eventCaps.line+1 && r.end-r.line > r.caps().line+1 {
				return r.breakOff(event.LineTooLong)
			}
			return false
		}
		lf := r.seen + i
		r.seen = lf + 1
		if lf == r.line || r.buf[lf-1] != '\r' {
			r.bareLF = true // the line goes on
			continue
		}
		line := r.buf[r.line : lf-1]
		if len(line) == 0 {
			if r.lines == 0 { // nothing between two empty lines
				r.line = r.seen
				r.start = r.line
				continue
			}
			r.block.Raw = r.buf[r.start:r.line]
			r.line = r.seen
			r.finish(r.judge())
			return true
		}
		if broken := r.over(len(line)); broken != event.Undamaged {
			return r.breakOff(broken)
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
	h := &r.block.Headers[n] // filled in its place: a copy is what costs here
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

// over names the cap that a line of that length would break. r.seen is at its
// end.
func (r *Reader) over(line int) event.Damage {
	if line <= eventCaps.line && r.lines < eventCaps.headers && r.seen-r.start <= eventCaps.block {
		return event.Undamaged
	}
	switch c := r.caps(); {
	case line > c.line:
		return event.LineTooLong
	case r.lines >= c.headers:
		return event.TooManyHeaders
	case r.seen-r.start > c.block:
		return event.BlockTooLarge
	}
	return event.Undamaged
}

// caps are those of the kind of block at hand.
func (r *Reader) caps() caps {
	if bytes.HasPrefix(r.buf[r.start:r.end], []byte("Response:")) {
		return responseCaps
	}
	return eventCaps
}

// breakOff keeps what the block has so far and drops the rest of it.
func (r *Reader) breakOff(broken event.Damage) bool {
	r.cut, r.seen, r.kept = broken, r.line, r.line-r.start
	return r.skip()
}

// skip looks for the end of a block whose rest is dropped.
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

// judge names the damage of a block that kept to the caps.
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

// judgeAnswer looks at the lines of a response again: since Asterisk 14 each
// line that a CLI command prints is an "Output", and may hold anything.
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
				r.degree = r.load.degree(n)
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

// ending distinguishes an end between two blocks from one inside a block.
func (r *Reader) ending(err error) error {
	if errors.Is(err, io.EOF) && r.end > r.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// room makes room for a read. Whenever bytes are moved at least as many places
// are won, so that all moves together cost less than the reads.
func (r *Reader) room() {
	if r.cut != event.Undamaged { // all but the last bytes of what is dropped can go
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

// move brings the block being read to the front of a buffer, which may be the
// present one.
func (r *Reader) move(to []byte) {
	copy(to, r.buf[r.start:r.end])
	for i := range r.block.Headers {
		h := &r.block.Headers[i]
		h.Name, h.Value = r.moved(h.Name, to), r.moved(h.Value, to)
	}
	r.line, r.seen, r.end = r.line-r.start, r.seen-r.start, r.end-r.start
	r.start, r.buf = 0, to
}

// moved is the view after the move. Views run to the buffer's end in capacity,
// which says where they begin.
func (r *Reader) moved(view, to []byte) []byte {
	if len(view) == 0 {
		return nil
	}
	at := cap(r.buf) - cap(view) - r.start
	return to[at : at+len(view)]
}

package ami

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Errors of a Client. All others wrap these, *Error, the context's or the
// connection's own.
var (
	ErrClosed   = errors.New("connection closed")
	ErrBusy     = errors.New("too many actions wait for their answers")
	ErrTooLarge = errors.New("too large")
	// ErrCancelled reports a list that Asterisk gave up half way.
	ErrCancelled = errors.New("list cancelled by Asterisk")
)

const (
	// An action of a caller who set no deadline waits this long.
	defaultTimeout = 30 * time.Second
	// Asterisk reads what it is sent between two actions; one that takes
	// longer than this to accept a few lines hangs.
	writeTimeout = 5 * time.Second
	// maxPending bounds the actions under way on one connection.
	maxPending = 1024
	// What one list may hold.
	maxListItems = 200_000
	maxListBytes = 64 << 20
	// Asterisk drops longer lines and actions of more lines (inbuf in
	// main/manager.c, AST_MAX_MANHEADERS in manager.h; the same 16 to 23).
	maxActionLine  = 1023
	maxActionLines = 128
)

// Counters counts what happened on one or several connections. It may be read
// at any time.
type Counters struct {
	Blocks  atomic.Uint64 // read
	Refused atomic.Uint64 // actions not sent because too many were pending
	Logins  atomic.Uint64 // of a Dialer; all but the first are reconnects
	Damaged atomic.Uint64 // of the blocks: their framing cannot be believed
	Shed    Shed          // events passed over under overload
}

// Client is one connection to Asterisk's manager. It owns the connection and
// one goroutine that reads it; Close ends both. Its methods may be called from
// any goroutine but the handler's.
type Client struct {
	conn     net.Conn
	reader   *Reader
	handle   func(now time.Time, b *event.Block)
	banner   string
	gap      Gap
	counters *Counters

	prefix  string        // of our ActionIDs, unknown to attackers
	opened  time.Time     // lastSeen counts from here, on the monotonic clock
	seen    atomic.Int64  // nanoseconds after opened when the last block came
	writing chan struct{} // holds a token while an action is written
	done    chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	pending map[uint64]*call // nil when the connection has ended
	lastID  uint64
	err     error // why it ended, the first reason
}

// NewClient takes over conn, reads Asterisk's greeting within ctx and starts to
// read. Every block that answers no action of this client is given to handle,
// in order, on the reader's goroutine with the time it was read; handle must
// not block, nor keep the block, nor call the client. On error conn is closed.
func NewClient(ctx context.Context, conn net.Conn, handle func(now time.Time, b *event.Block)) (*Client, error) {
	return newClient(ctx, conn, handle, new(Counters))
}

func newClient(ctx context.Context, conn net.Conn, handle func(time.Time, *event.Block), counters *Counters) (*Client, error) {
	if handle == nil {
		handle = func(time.Time, *event.Block) {}
	}
	c := &Client{
		conn:     conn,
		reader:   NewReader(conn),
		handle:   handle,
		counters: counters,
		prefix:   rand.Text() + "-",
		opened:   time.Now(),
		writing:  make(chan struct{}, 1),
		done:     make(chan struct{}),
		pending:  make(map[uint64]*call),
	}
	c.reader.damaged, c.reader.load, c.reader.shed = &counters.Damaged, newLoad(conn), &counters.Shed
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	banner, err := c.reader.Banner()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("ami: read the greeting of %s: %w", conn.RemoteAddr(), err)
	}
	c.banner = banner
	go c.read()
	return c, nil
}

// Banner is Asterisk's greeting, such as "Asterisk Call Manager/11.0.0". The
// number is the manager's version, not Asterisk's: see Version.
func (c *Client) Banner() string { return c.banner }

// LocalAddr is this end of the connection. Asterisk names it as RemoteAddress
// in the security events that our own login raises.
func (c *Client) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr is Asterisk's end of it.
func (c *Client) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Gap is the time before this connection in which nothing was heard. It is zero
// on a Dialer's first.
func (c *Client) Gap() Gap { return c.gap }

// LastSeen is when the last block was read, or the connection opened.
func (c *Client) LastSeen() time.Time { return c.opened.Add(time.Duration(c.seen.Load())) }

// Done is closed when the connection has ended and nothing more will be
// handled.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection ended, or nil while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Connected says whether the connection lives.
func (c *Client) Connected() bool { return c.Err() == nil }

// Close ends the connection, fails what is pending and waits for the reader.
// It may be called again, but not by the handler.
func (c *Client) Close() error {
	c.abort(ErrClosed)
	<-c.done
	return nil
}

// abort ends the connection for a reason; the first reason stays.
func (c *Client) abort(reason error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = reason
	}
	c.mu.Unlock()
	_ = c.conn.Close()
}

// read is the reader's goroutine.
func (c *Client) read() {
	defer close(c.done)
	for {
		b, err := c.reader.Next()
		if err != nil {
			c.end(err)
			return
		}
		now := time.Now()
		c.seen.Store(int64(now.Sub(c.opened)))
		c.counters.Blocks.Add(1)
		if id, ours := c.ours(b); ours {
			c.answer(id, b)
			continue
		}
		c.handle(now, b)
	}
}

// end fails all that is pending.
func (c *Client) end(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("connection closed by Asterisk: %w", err)
	} else {
		err = fmt.Errorf("read from Asterisk: %w", err)
	}
	c.abort(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.pending {
		k.finish(c.err)
	}
	c.pending = nil
}

// ours finds the number of the action that a block answers. Any ActionID that
// begins with our prefix counts: an attacker who slips a line into a block does
// not know it, and cannot hide the real one behind a forged one.
func (c *Client) ours(b *event.Block) (id uint64, ours bool) {
	for i := range b.Headers {
		h := &b.Headers[i]
		if string(h.Name) != "ActionID" || len(h.Value) <= len(c.prefix) || string(h.Value[:len(c.prefix)]) != c.prefix {
			continue
		}
		if id, err := strconv.ParseUint(string(h.Value[len(c.prefix):]), 10, 64); err == nil {
			return id, true
		}
	}
	return 0, false
}

// answer gives a block to the action that asked for it.
func (c *Client) answer(id uint64, b *event.Block) {
	c.mu.Lock()
	k := c.pending[id]
	c.mu.Unlock()
	if k == nil {
		return // the caller has given up
	}
	finished, err := k.add(b)
	if !finished {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[id] == k { // not given up in the meantime
		delete(c.pending, id)
		k.finish(err)
	}
}

// Do sends an action and waits for its answer, at most until ctx's deadline, or
// 30 seconds where it has none. An action that Asterisk answers with a list
// ("EventList: start") is answered when the list is complete. When Asterisk
// says Error, Do returns an *Error and the response beside it.
//
// ErrUnsafe and ErrTooLarge refuse an action before anything is sent. When ctx
// ends, Asterisk may still do what it was asked.
func (c *Client) Do(ctx context.Context, a Action) (*Response, error) {
	k, err := c.start(ctx, a)
	if err != nil {
		return nil, err
	}
	return k.wait(ctx)
}

// start sends an action.
func (c *Client) start(ctx context.Context, a Action) (*call, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	k, err := c.register(a.Name)
	if err != nil {
		return nil, err
	}
	if err := c.write(ctx, a.encode(k.actionID)); err != nil {
		k.giveUp()
		return nil, fmt.Errorf("ami: %s: %w", a.Name, err)
	}
	return k, nil
}

// register makes a place for the answer.
func (c *Client) register(action string) (*call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, fmt.Errorf("ami: %s: %w", action, c.err)
	}
	if len(c.pending) >= maxPending {
		c.counters.Refused.Add(1)
		return nil, fmt.Errorf("ami: %s: %w", action, ErrBusy)
	}
	c.lastID++
	k := &call{
		client:   c,
		id:       c.lastID,
		actionID: c.prefix + strconv.FormatUint(c.lastID, 10),
		action:   action,
		response: new(Response),
		done:     make(chan struct{}),
	}
	c.pending[k.id] = k
	return k, nil
}

// write sends one action whole, or ends the connection: half an action must
// not be followed by another.
func (c *Client) write(ctx context.Context, action []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := c.conn.Write(action); err != nil {
		c.abort(fmt.Errorf("write to Asterisk: %w", err))
		return c.Err()
	}
	return nil
}

// busy says whether actions wait for their answers.
func (c *Client) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending) > 0
}

// validate refuses what would break out of its line, and what Asterisk would
// drop or answer without our ActionID.
func (a Action) validate() error {
	if err := a.Validate(); err != nil {
		return err
	}
	if len(a.Fields)+2 > maxActionLines {
		return fmt.Errorf("ami: %s: %w: %d lines, Asterisk reads %d", a.Name, ErrTooLarge, len(a.Fields)+2, maxActionLines)
	}
	for _, f := range a.Fields {
		if strings.EqualFold(f.Name, "Action") || strings.EqualFold(f.Name, "ActionID") {
			return fmt.Errorf("%w: %s must not set %s itself", ErrUnsafe, a.Name, f.Name)
		}
		if n := len(f.Name) + len(": ") + len(f.Value); n > maxActionLine {
			return fmt.Errorf("ami: %s: %w: %s takes %d bytes, Asterisk reads %d a line", a.Name, ErrTooLarge, f.Name, n, maxActionLine)
		}
	}
	return nil
}

// encode gives the action as it goes on the wire.
func (a Action) encode(actionID string) []byte {
	b := make([]byte, 0, 512)
	b = appendLine(b, "Action", a.Name)
	b = appendLine(b, "ActionID", actionID)
	for _, f := range a.Fields {
		b = appendLine(b, f.Name, f.Value)
	}
	return append(b, "\r\n"...)
}

func appendLine(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

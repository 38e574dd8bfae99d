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
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Errors of a Client. All other errors wrap one of these, an *Error, or an error of the
// context or the connection.
var (
	ErrClosed   = errors.New("connection closed")
	ErrBusy     = errors.New("too many pending actions")
	ErrTooLarge = errors.New("too large")
	// ErrCancelled reports a list that Asterisk did not complete.
	ErrCancelled = errors.New("list cancelled by Asterisk")
)

const (
	// defaultTimeout applies to actions without a deadline.
	defaultTimeout = 30 * time.Second
	// writeTimeout is how long Asterisk may take to accept an action. It reads
	// between two actions; if it takes longer, it hangs.
	writeTimeout = 5 * time.Second
	// maxPending bounds the pending actions of one connection.
	maxPending = 1024
	// Limits for one list.
	maxListItems = 200_000
	maxListBytes = 64 << 20
	// Asterisk drops longer lines, and actions with more lines (inbuf in
	// main/manager.c, AST_MAX_MANHEADERS in manager.h; the same in 16 to 23).
	maxActionLine  = 1023
	maxActionLines = 128
)

// Counters counts events on one or several connections. It is safe for concurrent use.
type Counters struct {
	Blocks  atomic.Uint64 // blocks read
	Refused atomic.Uint64 // actions rejected because too many were pending
	Logins  atomic.Uint64 // logins of a Dialer; all but the first are reconnects
	Damaged atomic.Uint64 // blocks with damaged framing
	Shed    Shed          // events dropped under overload
}

// Client is a connection to Asterisk's manager. It owns the connection and a goroutine
// that reads from it; Close ends both. Its methods may be called from any goroutine
// except from the handler.
type Client struct {
	conn     net.Conn
	reader   *Reader
	handle   func(now time.Time, b *event.Block)
	banner   string
	gap      Gap
	counters *Counters

	prefix  string        // of our ActionIDs, unknown to attackers
	opened  time.Time     // lastSeen counts from here, on the monotonic clock
	seen    atomic.Int64  // time of the last block, in nanoseconds after opened
	writing chan struct{} // holds a token while an action is written
	done    chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	pending map[uint64]*call // nil after the connection has ended
	lastID  uint64
	err     error // the first reason why the connection ended
}

// NewClient takes ownership of conn, reads Asterisk's greeting within ctx and starts
// reading. It passes each block that is not a response to the client's own actions to
// handle, in order, on the reader's goroutine, with the time it was read. handle must
// not block, keep the block or call the client. On error, NewClient closes conn.
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
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			err = ErrFull
		}
		return nil, fmt.Errorf("ami: read the greeting of %s: %w", conn.RemoteAddr(), err)
	}
	c.banner = banner
	go c.read()
	return c, nil
}

// Banner returns Asterisk's greeting, such as "Asterisk Call Manager/11.0.0". The number
// is the version of the manager, not of Asterisk: see Version.
func (c *Client) Banner() string { return c.banner }

// LocalAddr returns our end of the connection. It is the RemoteAddress in the security
// events that our own login raises.
func (c *Client) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns Asterisk's end of the connection.
func (c *Client) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Gap returns the time before this connection during which no events were received. It
// is zero on the first connection of a Dialer.
func (c *Client) Gap() Gap { return c.gap }

// LastSeen returns when the last block was read, or when the connection was opened.
func (c *Client) LastSeen() time.Time { return c.opened.Add(time.Duration(c.seen.Load())) }

// Done returns a channel that is closed after the connection has ended and the handler
// has returned.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, or nil while it is open.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Connected reports whether the connection is open.
func (c *Client) Connected() bool { return c.Err() == nil }

// Close closes the connection, fails pending actions and waits for the reader. It may be
// called repeatedly, but not by the handler.
func (c *Client) Close() error {
	c.abort(ErrClosed)
	<-c.done
	return nil
}

// abort closes the connection. Err returns the reason of the first call.
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

// end fails all pending actions.
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

// ours returns the number of the action that a block belongs to. It accepts any ActionID
// with our prefix. An attacker who injects a line into a block does not know the prefix,
// and so cannot hide the genuine ActionID behind a forged one.
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

// answer adds a block to the response of its action.
func (c *Client) answer(id uint64, b *event.Block) {
	c.mu.Lock()
	k := c.pending[id]
	c.mu.Unlock()
	if k == nil {
		return // the caller gave up
	}
	finished, err := k.add(b)
	if !finished {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[id] == k { // the caller has not given up meanwhile
		delete(c.pending, id)
		k.finish(err)
	}
}

// Do sends an action and waits for the response, until the deadline of ctx, or for 30
// seconds if ctx has none. If the response is a list ("EventList: start"), Do waits until
// the list is complete. If Asterisk responds with Error, Do returns both an *Error and
// the response.
//
// Do rejects invalid actions with ErrUnsafe or ErrTooLarge before it sends anything. If
// ctx ends, Asterisk may still execute the action.
func (c *Client) Do(ctx context.Context, a Action) (*Response, error) {
	k, err := c.start(ctx, a)
	if err != nil {
		return nil, err
	}
	return k.wait(ctx)
}

// start sends an action.
func (c *Client) start(ctx context.Context, a Action) (*call, error) {
	if err := a.checkSendable(); err != nil {
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

// register adds a pending call.
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

// write sends one complete action. If that fails, it closes the connection, because a
// partial action must not be followed by another one.
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

// busy reports whether actions are pending.
func (c *Client) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending) > 0
}

// checkSendable rejects values that would break out of their line, and actions that Asterisk
// would drop or answer without our ActionID.
func (a Action) checkSendable() error {
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

// encode returns the wire form of the action.
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

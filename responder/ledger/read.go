package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// ErrBehind reports that changes made before a read are not in what it returned,
// because the disk could not take them in time. The error around it says how
// many rows those are, and why.
var ErrBehind = errors.New("not on the disk yet")

// errUnread reports that no file is open to read from.
var errUnread = errors.New("the file cannot be read")

// flushWithin bounds how long a read waits for what is queued.
const flushWithin = 2 * time.Second

// read writes out what is queued and then asks the file. Where the disk does not
// take the changes in time, what is in the file comes with an error that is
// ErrBehind. Any other error says why the file could not be read, in whole or in
// part. It returns when ctx ends, even when the disk hangs.
func read[T any](ctx context.Context, l *Ledger, query func(context.Context, *sql.DB) (T, error)) (T, error) {
	behind := l.catchUp(ctx)
	type answer struct {
		rows T
		err  error
	}
	answerC := make(chan answer, 1)
	go func() {
		var a answer
		a.err = l.reading(ctx, func(ctx context.Context, db *sql.DB) (err error) {
			a.rows, err = query(ctx, db)
			return err
		})
		answerC <- a
	}()
	select {
	case a := <-answerC:
		if a.err != nil {
			return a.rows, a.err
		}
		return a.rows, behind
	case <-ctx.Done():
		var none T
		return none, explain("read", l.path, ctx.Err())
	}
}

// catchUp waits until what is queued is in the file; an error is ErrBehind. It
// leaves time for the read when ctx has little.
func (l *Ledger) catchUp(ctx context.Context) error {
	within := flushWithin
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := l.flush(ctx, true)
	if err == nil || errors.Is(err, ErrDropped) {
		return nil // what was dropped will never be there; Health counts it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rows := l.waiting()
	if rows == 0 {
		return nil
	}
	cause := l.trouble.err
	if cause == nil {
		cause = fmt.Errorf("the disk has not answered within %s", within.Round(time.Millisecond))
	}
	return fmt.Errorf("read ledger %s: %s %w: %w", l.path, incident.Count(rows, "row"), ErrBehind, cause)
}

// reading calls fn with the open file. The error says why there is none, or why
// fn failed.
func (l *Ledger) reading(ctx context.Context, fn func(context.Context, *sql.DB) error) error {
	l.file.RLock()
	defer l.file.RUnlock()
	if l.store == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.trouble.err == nil {
			return fmt.Errorf("read ledger %s: %w", l.path, errUnread)
		}
		return fmt.Errorf("read ledger %s: %w: %w", l.path, errUnread, l.trouble.err)
	}
	err := fn(ctx, l.store.read)
	if isDamage(err) {
		l.suspect(err)
	}
	if err != nil {
		return explain("read", l.path, err)
	}
	return nil
}

// suspect has the owner goroutine look at damage that a reader met.
func (l *Ledger) suspect(err error) {
	l.mu.Lock()
	l.damage = err
	l.mu.Unlock()
	signal(l.urgeC)
}

// suspicion returns, once, damage that a reader met.
func (l *Ledger) suspicion() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.damage
	l.damage = nil
	return err
}

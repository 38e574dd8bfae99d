package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// ErrBehind reports that a read lacks changes made before it, because they could
// not be written in time. The error that wraps it says how many rows, and why.
var ErrBehind = errors.New("not on the disk yet")

// errUnread reports that no file is open to read from.
var errUnread = errors.New("the file cannot be read")

// flushWithin bounds how long a read waits for queued changes.
const flushWithin = 2 * time.Second

// read waits until queued changes are written and then reads the file. If they are
// not written in time, it returns what is in the file with ErrBehind. Any other
// error says why the file could not be read, in whole or in part. It returns when
// ctx ends, even if the disk hangs.
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

// catchUp waits until queued changes are in the file; an error is ErrBehind. If ctx
// leaves little time, it keeps some for the read.
func (l *Ledger) catchUp(ctx context.Context) error {
	within := flushWithin
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := l.flush(ctx, true)
	if err == nil || errors.Is(err, ErrDropped) {
		return nil // dropped changes will never be there; Health counts them
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

// reading calls fn with the open file. The error says why no file is open, or why
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

// suspect makes the owner goroutine check damage that a reader found.
func (l *Ledger) suspect(err error) {
	l.mu.Lock()
	l.damage = err
	l.mu.Unlock()
	signal(l.urgeC)
}

// suspicion returns the damage that a reader found, once.
func (l *Ledger) suspicion() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.damage
	l.damage = nil
	return err
}

package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// code is SQLite's primary result code of err, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// isDamage reports whether the file's content is damaged.
func isDamage(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB
}

func isFull(err error) bool {
	return code(err) == sqlite3.SQLITE_FULL || errors.Is(err, syscall.ENOSPC)
}

func isBusy(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// isRefusal reports whether SQLite objects to the row rather than the file.
func isRefusal(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}

// explain adds to err the operation, the file and what to do.
func explain(operation, path string, err error) error {
	name := path
	if name == "" {
		name = "in memory"
	}
	if hint := wayOut(path, err); hint != "" {
		return fmt.Errorf("%s ledger %s: %w: %s", operation, name, err, hint)
	}
	return fmt.Errorf("%s ledger %s: %w", operation, name, err)
}

func wayOut(path string, err error) string {
	switch c := code(err); {
	case isFull(err):
		return "free some space on its disk"
	case isBusy(err):
		return "another program has it locked: stop that program"
	case c == sqlite3.SQLITE_READONLY, c == sqlite3.SQLITE_CANTOPEN, c == sqlite3.SQLITE_PERM,
		errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "make " + filepath.Dir(path) + " writable for the daemon"
	case c == sqlite3.SQLITE_IOERR:
		return "check the disk"
	}
	return ""
}

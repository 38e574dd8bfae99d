package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// store is an open ledger file: one connection that writes, and two that read
// and so never wait for the writer's sync.
type store struct {
	path   string
	file   os.FileInfo // the file as opened; nil: in memory
	read   *sql.DB
	writer *writer // nil: the file could only be opened for reading
	lastID int64   // the highest incident number in it when it was opened
}

// memories numbers the databases in memory: each needs a name of its own.
var memories atomic.Int64

// dsn names the file for the driver. The pragmas run for every connection.
func dsn(path string, query url.Values) string {
	query.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String() // a relative path, too
}

// busyTimeout is how long SQLite waits for another program's lock.
const busyTimeout = 2 * time.Second

// openStore opens the file for writing and reading, creates what is missing and
// brings an older schema up to date.
func openStore(path string) (s *store, err error) {
	if path == "" {
		return openMemory()
	}
	defer func() {
		if err != nil {
			err = explain("open", path, err)
		}
	}()
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := createFile(path); err != nil {
		return nil, err
	}
	s, err = connect(path, url.Values{}, url.Values{"mode": {"rw"}, "_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	if s.file, err = os.Stat(path); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func openMemory() (*store, error) {
	name := fmt.Sprintf("/tollwarden-ledger-%d", memories.Add(1))
	return connect(name, url.Values{"vfs": {"memdb"}}, url.Values{"vfs": {"memdb"}, "_query_only": {"1"}})
}

// connect opens both sides and prepares the schema.
func connect(path string, write, read url.Values) (*store, error) {
	db, err := sql.Open("sqlite", dsn(path, write))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	w, err := newWriter(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &store{path: path, writer: w}
	if s.lastID, err = w.lastID(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if s.read, err = sql.Open("sqlite", dsn(path, read)); err != nil {
		return nil, errors.Join(err, w.close())
	}
	s.read.SetMaxOpenConns(2)
	return s, nil
}

// openForReading opens a file that cannot be written, such as one on a disk that
// the kernel remounted read-only, or returns nil where even that fails. why is
// what kept it from being opened for writing.
func openForReading(path string, why error) *store {
	if path == "" {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	for _, query := range readingQueries(path, why) {
		db, err := sql.Open("sqlite", dsn(path, query))
		if err != nil {
			return nil
		}
		db.SetMaxOpenConns(2)
		s := &store{path: path, read: db}
		if s.file, err = os.Stat(path); err == nil {
			err = db.QueryRow(lastIDQuery).Scan(&s.lastID)
		}
		if err == nil {
			return s
		}
		_ = db.Close() // nothing was written
	}
	return nil
}

// readingQueries lists the ways to open a file for reading. SQLite has to write
// beside a WAL file even to read it, unless it is opened as immutable. That is only
// safe if there is no WAL whose content would be missed
// (https://sqlite.org/wal.html#readonly), and nobody holds a lock.
func readingQueries(path string, why error) []url.Values {
	ways := []url.Values{{"mode": {"ro"}}}
	if isBusy(why) {
		return ways
	}
	if wal, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) || err == nil && wal.Size() == 0 {
		ways = append(ways, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	}
	return ways
}

// createFile creates the directory and the file if they are missing. SQLite gives
// its side files the mode of the file. An existing file is not opened here, because
// closing it would drop the locks that this process holds on it. If root creates a
// file in the folder of a daemon that is not root, the daemon's user gets it.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil {
		if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			return os.Chmod(path, 0o600)
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if owner := folder.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && owner.Uid != 0 {
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return errors.Join(err, f.Close())
}

// moveAside renames a damaged file and its side files. Three damaged files are
// enough: a disk that keeps breaking them must not be filled with more.
func moveAside(path string, now time.Time) (kept string, err error) {
	if old, _ := filepath.Glob(path + ".damaged-*Z"); len(old) >= 3 {
		return "", fmt.Errorf("three damaged ledgers are already kept as %s.damaged-*: check the disk and move them away", path)
	}
	kept = path + ".damaged-" + now.UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, kept); err != nil {
		return "", err
	}
	for _, side := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+side, kept+side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return kept, nil
}

// inPlace says whether the name still leads to the file that is open. SQLite
// itself would go on writing to a file that was removed.
func (s *store) inPlace() bool {
	if s.file == nil {
		return true
	}
	now, err := os.Stat(s.path)
	return err == nil && os.SameFile(s.file, now)
}

// close closes all connections.
func (s *store) close() {
	if s.read != nil {
		_ = s.read.Close() // it wrote nothing
	}
	if s.writer != nil {
		_ = s.writer.close() // all that Flush confirmed has been committed
	}
}

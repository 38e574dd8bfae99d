package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// degraded waits until the ledger's health is degraded, with these words in the
// error.
func degraded(t *testing.T, l *Ledger, words ...string) {
	t.Helper()
	eventually(t, "degraded", func() bool { return !l.Health().OK() })
	h := l.Health()
	for _, w := range words {
		if !strings.Contains(h.Err.Error(), w) {
			t.Errorf("health says %q, without %q", h.Err, w)
		}
	}
	if h.Since.IsZero() {
		t.Errorf("health: %+v", h)
	}
}

func healthy(t *testing.T, l *Ledger) {
	t.Helper()
	flush(t, l)
	eventually(t, "healthy", func() bool { return l.Health().OK() })
	if h := l.Health(); h.Pending != 0 || h.Lag != 0 || !h.Since.IsZero() || len(h.Dropped) != 0 {
		t.Errorf("health: %+v", h)
	}
}

func guessers(from, to int) (bans []incident.Ban) {
	for n := from; n < to; n++ {
		bans = append(bans, guesser(n))
	}
	return bans
}

func putAll(l *Ledger, bans []incident.Ban) {
	for _, b := range bans {
		l.PutBan(b)
	}
}

// tmpfs mounts a file system of a megabyte.
func tmpfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		t.Skipf("needs root in a namespace that may mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := tmpfs(t)
	l := open(t, filepath.Join(dir, "ledger.db"))
	before := guessers(0, 100)
	putAll(l, before)
	flush(t, l)

	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fill := func() {
		f := must[*os.File](t)(os.OpenFile(ballast, os.O_APPEND|os.O_WRONLY, 0))
		defer f.Close()
		for _, size := range []int{4096, 1} {
			for {
				if _, err := f.Write(make([]byte, size)); err != nil {
					break
				}
			}
		}
	}
	fill()
	during := guessers(100, 1500)
	putAll(l, during)
	degraded(t, l, "full", "free some space")
	if h := l.Health(); h.Pending == 0 || h.Lag == 0 {
		t.Errorf("health: %+v", h)
	}
	same(t, "missing while the disk is full", missingBehind(t, l, before...), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.Flush(ctx); err == nil || !isFull(err) {
		t.Errorf("flush on a full disk: %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	healthy(t, l)
	l = reopen(t, l)
	same(t, "missing afterwards", missing(t, l, append(before, during...)...), nil)
}

// A start on a full disk.
func TestFullDiskFromTheStart(t *testing.T) {
	dir := tmpfs(t)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, filepath.Join(dir, "ledger.db"))
	degraded(t, l, "free some space")
	id := l.PutIncident(&incident.Incident{At: noon})
	if id < 1e8 {
		t.Errorf("number %d may be in the file that could not be read", id)
	}
	putAll(l, guessers(0, 10))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	healthy(t, l)
	same(t, "missing", missing(t, l, guessers(0, 10)...), nil)
	same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), id+1)
}

func TestReadOnlyDisk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		crash bool // the ledger was not closed before
	}{{"after a stop", false}, {"after a crash", true}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tmpfs(t)
			path := filepath.Join(dir, "ledger.db")
			l := open(t, path)
			putAll(l, guessers(0, 10))
			l.PutIncident(&incident.Incident{At: noon})
			flush(t, l)
			if tt.crash {
				// What kill -9 leaves: a copy of the files in use.
				copied := filepath.Join(dir, "copied.db")
				for _, side := range []string{"", "-wal", "-shm"} {
					if err := os.WriteFile(copied+side, must[[]byte](t)(os.ReadFile(path+side)), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				path = copied
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			remount := func(flags uintptr) {
				if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
					t.Fatal(err)
				}
			}
			remount(unix.MS_RDONLY)

			l = open(t, path)
			degraded(t, l, "writable")
			same(t, "bans that cannot be read", missing(t, l, guessers(0, 10)...), nil)
			l.PutBan(guesser(10))
			l.DeleteBan(source(0), noon, "uid 0")
			same(t, "missing while nothing can be written", missingBehind(t, l, guessers(0, 11)...), guessers(10, 11))
			if id := l.PutIncident(&incident.Incident{At: noon}); id < 2 {
				t.Errorf("number %d was given before", id)
			}
			remount(0)
			healthy(t, l)
			l = reopen(t, l)
			same(t, "bans afterwards", inForce(t, l, noon), guessers(1, 11))
		})
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs a user other than root, whom no file mode stops; TestReadOnlyDisk covers root")
	}
	path := file(t)
	l := open(t, path)
	putAll(l, guessers(0, 10))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	l = open(t, path)
	degraded(t, l, "writable")
	l.PutBan(guesser(10))
	same(t, "missing", missingBehind(t, l, guessers(0, 11)...), guessers(10, 11))
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	healthy(t, l)
}

func TestLockedFile(t *testing.T) {
	l := open(t, file(t))
	putAll(l, guessers(0, 10))
	flush(t, l)
	unlock := lock(t, l)
	putAll(l, guessers(10, 2000))
	degraded(t, l, "locked", "another program has it locked")
	same(t, "missing while locked", missingBehind(t, l, guessers(0, 10)...), nil)
	unlock()
	healthy(t, l)
	same(t, "missing afterwards", missing(t, reopen(t, l), guessers(0, 2000)...), nil)
}

// An exclusive lock from before the start keeps even readers out.
func TestLockedFromTheStart(t *testing.T) {
	path := file(t)
	l := open(t, path)
	putAll(l, guessers(0, 10))
	l.PutIncident(&incident.Incident{At: noon})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	conn := other(t, path, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")

	l = open(t, path)
	degraded(t, l, "another program has it locked")
	l.PutBan(guesser(10))
	bans, err := l.Bans(t.Context(), noon)
	if !errors.Is(err, errUnread) {
		t.Errorf("bans of a locked file: %v", err)
	}
	same(t, "known without the file", bans, nil)
	id := l.PutIncident(&incident.Incident{At: noon})

	say(t, conn, "COMMIT")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	healthy(t, l)
	same(t, "missing", missing(t, l, guessers(0, 11)...), nil)
	same(t, "incidents", len(must[[]incident.Incident](t)(l.Incidents(t.Context(), 0))), 2)
	same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), id+1)
}

// A read on a disk that does not answer ends in time, with the rows in the file and
// the number of changes missing from it.
func TestReadsOfAStuckDiskEnd(t *testing.T) {
	l := open(t, file(t))
	putAll(l, guessers(0, 10))
	l.PutIncident(&incident.Incident{At: noon})
	flush(t, l)
	unstick := stick(t, l)
	defer unstick()
	putAll(l, guessers(10, 12))
	l.PutIncident(&incident.Incident{At: noon})

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	bans, err := l.Bans(ctx, noon)
	if !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "3 rows not on the disk yet: the disk has not answered") {
		t.Errorf("bans of a stuck disk: %v", err)
	}
	same(t, "bans", lacking(bans, guessers(0, 12)), guessers(10, 12))
	if _, err := l.Incident(ctx, 2); !errors.Is(err, ErrBehind) || errors.Is(err, ErrNoIncident) {
		t.Errorf("an incident that is not written yet: %v", err)
	}

	l.file.Lock() // as while the owner goroutine opens a file on such a disk
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = l.Incidents(ctx, 0)
	l.file.Unlock()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read while the file is being opened: %v", err)
	}
}

// stick makes every write hang, as on a disk that does not answer, until the test
// ends.
func stick(t *testing.T, l *Ledger) (end func()) {
	t.Helper()
	stuckC, goC := make(chan struct{}, 1), make(chan struct{})
	l.put(stuck{stuckC, goC})
	<-stuckC
	return func() { close(goC) }
}

// stuck is a change that is written when goC is closed.
type stuck struct{ stuckC, goC chan struct{} }

func (stuck) kind() kind                  { return kindAction }
func (c stuck) key() any                  { return c }
func (stuck) rows() int                   { return 0 }
func (stuck) merge(change) (change, bool) { return nil, false }
func (c stuck) write(*writer) error {
	signal(c.stuckC)
	<-c.goC
	return nil
}

func TestGarbageIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	garbage := bytes.Repeat([]byte("not a database. "), 1000)
	if err := os.WriteFile(path, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	h := l.Health()
	if !h.OK() || !strings.Contains(h.Damage, path) {
		t.Errorf("health: %+v", h)
	}
	kept := must[[]string](t)(filepath.Glob(path + ".damaged-*Z"))
	if len(kept) != 1 || !bytes.Equal(must[[]byte](t)(os.ReadFile(kept[0])), garbage) {
		t.Errorf("kept: %q", kept)
	}
	l.PutBan(guesser(1))
	same(t, "missing", missing(t, reopen(t, l), guesser(1)), nil)
}

// Damage that only a read discovers.
func TestDamageIsFoundAndMostIsSaved(t *testing.T) {
	path := file(t)
	l := open(t, path)
	const all = 5000
	putAll(l, guessers(0, all))
	for range 7 {
		l.PutIncident(&incident.Incident{At: noon})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// One leaf page of the bans.
	db := must[*sql.DB](t)(sql.Open("sqlite", path))
	var page int64
	err := db.QueryRow(`SELECT pageno FROM dbstat WHERE name = 'bans' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1 OFFSET 20`).Scan(&page)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Skipf("needs SQLite's dbstat table: %v", err)
	}
	f := must[*os.File](t)(os.OpenFile(path, os.O_RDWR, 0))
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), (page-1)*4096)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}

	l = open(t, path)
	l.PutBan(guesser(all))
	if _, err := l.Bans(t.Context(), noon); err == nil {
		t.Fatal("a damaged page was read")
	}
	eventually(t, "moved aside", func() bool { return l.Health().Damage != "" })
	healthy(t, l)
	lost := missing(t, l, guessers(0, all+1)...)
	if len(lost) == 0 || len(lost) > all/10 {
		t.Errorf("%d of %d bans lost: one page holds some dozens", len(lost), all)
	}
	same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), int64(8))
	if kept, _ := filepath.Glob(path + ".damaged-*Z"); len(kept) != 1 {
		t.Errorf("kept: %q", kept)
	}
}

// A disk that damages every file must not be filled with them.
func TestDamagedFilesAreKeptThreeTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	for range 4 {
		if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, path)
		l.PutBan(guesser(1))
		same(t, "kept in memory or written", l.Health().Pending == 1 || l.Health().OK(), true)
		l.Close()
		time.Sleep(2 * time.Millisecond) // another name
	}
	l := open(t, path)
	degraded(t, l, "three damaged ledgers are already kept")
	kept := must[[]string](t)(filepath.Glob(path + ".damaged-*Z"))
	same(t, "kept", len(kept), 3)
}

func TestFileTakenAwayIsWrittenAnew(t *testing.T) {
	path := file(t)
	l := open(t, path)
	putAll(l, guessers(0, 10))
	l.PutIncident(&incident.Incident{At: noon})
	flush(t, l)
	for _, side := range []string{"-shm", "-wal", ""} {
		if err := os.Remove(path + side); err != nil {
			t.Fatal(err)
		}
	}
	l.PutBan(guesser(10))
	healthy(t, l)
	if d := l.Health().Damage; !strings.Contains(d, "was removed while in use") {
		t.Errorf("health says %q", d)
	}
	l = reopen(t, l)
	same(t, "missing", missing(t, l, guessers(0, 11)...), nil)
	same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), int64(2))
}

func TestRefusedFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		made []string
		want error
		way  string
	}{
		{"a newer schema", []string{schema, "PRAGMA user_version = 1000"}, ErrNewer, "install the newer tollwarden"},
		{"another program's", []string{"CREATE TABLE bips (ip TEXT)"}, ErrForeign, "move it away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			db := must[*sql.DB](t)(sql.Open("sqlite", path))
			for _, s := range tt.made {
				must[sql.Result](t)(db.Exec(s))
			}
			db.Close()
			before := must[[]byte](t)(os.ReadFile(path))

			_, err := Open(path, Options{})
			if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "open ledger "+path) || !strings.Contains(err.Error(), tt.way) {
				t.Errorf("open: %v", err)
			}
			if !bytes.Equal(must[[]byte](t)(os.ReadFile(path)), before) {
				t.Error("the file was changed")
			}
		})
	}
}

// A row that the file refuses must not block the others.
func TestRefusedRowIsLeftOut(t *testing.T) {
	l := open(t, file(t))
	flush(t, l)
	say(t, other(t, l.path), `CREATE TRIGGER odd BEFORE INSERT ON bans WHEN new.prefix = '10.0.0.3/32' BEGIN SELECT raise(ABORT, 'odd'); END`)
	putAll(l, guessers(0, 10))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.Flush(ctx); !errors.Is(err, ErrDropped) {
		t.Errorf("flush: %v", err)
	}
	same(t, "missing", missing(t, l, guessers(0, 10)...), []incident.Ban{guesser(3)})
	same(t, "dropped", l.Health().Dropped, map[string]uint64{"ban": 1})
}

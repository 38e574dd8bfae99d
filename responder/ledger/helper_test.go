package ledger

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// noon is when tests take place: now, so that nothing is old enough to prune.
var noon = time.Now().UTC().Truncate(time.Millisecond)

var equal = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// source is the n-th of many addresses.
func source(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
}

func guesser(n int) Ban {
	return Ban{Prefix: source(n), Since: noon, Until: noon.Add(time.Hour), Reason: "three wrong passwords", Origin: "password guessing", Offence: 1, Scope: "all"}
}

func open(t *testing.T, path string) *Ledger {
	t.Helper()
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func reopen(t *testing.T, l *Ledger) *Ledger {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, l.path)
}

func flush(t *testing.T, l *Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// other is another program's connection to the file.
func other(t *testing.T, path string, statements ...string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, url.Values{}))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(0) // closing conn lets go of the file
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { errors.Join(conn.Close(), db.Close()) })
	say(t, conn, statements...)
	return conn
}

func say(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// missing lists those of want that are not among the bans in force.
func missing(t *testing.T, l *Ledger, want ...Ban) (gone []Ban) {
	t.Helper()
	bans := must[[]Ban](t)(l.Bans(t.Context(), noon))
	in := make(map[netip.Prefix]Ban)
	for _, b := range bans {
		in[b.Prefix] = b
	}
	for _, b := range want {
		if !cmp.Equal(in[b.Prefix], b, equal) {
			gone = append(gone, b)
		}
	}
	return gone
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "data", "ledger.db") }

func perm(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// Bans returns the bans that have time left at now, ordered by prefix. With an
// error, those are all that are known without the file.
func (l *Ledger) Bans(ctx context.Context, now time.Time) ([]Ban, error) {
	known, err := l.episodes(ctx, `released_at IS NULL AND (until IS NULL OR until > ?)`, now.UnixMilli())
	var bans []Ban
	for _, b := range known.all() {
		if b.inForce(now) {
			bans = append(bans, b)
		}
	}
	slices.SortFunc(bans, func(a, b Ban) int { return comparePrefix(a.Prefix, b.Prefix) })
	return bans, err
}

func (e episodes) all() (bans []Ban) {
	for _, of := range e {
		bans = append(bans, of...)
	}
	return bans
}

// history is every ban, newest first.
func history(t *testing.T, l *Ledger) []Ban {
	t.Helper()
	bans := must[episodes](t)(l.episodes(t.Context(), `true`)).all()
	slices.SortFunc(bans, func(a, b Ban) int {
		if c := b.Since.Compare(a.Since); c != 0 {
			return c
		}
		return comparePrefix(a.Prefix, b.Prefix)
	})
	return bans
}

// records returns how often each source has offended at since or later, ordered
// by prefix.
func records(t *testing.T, l *Ledger, since time.Time) []Record {
	t.Helper()
	r := must[*Recollection](t)(l.Recall(t.Context(), noon))
	defer r.Close()
	list := must[[]Record](t)(r.Offences(since))
	slices.SortFunc(list, func(a, b Record) int { return comparePrefix(a.Prefix, b.Prefix) })
	return list
}

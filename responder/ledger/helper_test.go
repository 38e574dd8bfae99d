package ledger

import (
	gocmp "cmp"
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

	"github.com/tollwarden/tollwarden/responder/incident"
)

// noon is the time of the tests: now, so that nothing is old enough to prune.
var noon = time.Now().UTC().Truncate(time.Millisecond)

var equal = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}),
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

func guesser(n int) incident.Ban {
	return incident.Ban{
		Prefix: source(n), Since: noon, Until: noon.Add(time.Hour), Reason: "three wrong passwords", Origin: "password guessing", Offence: 1,
		Scope: incident.ScopeAll, Step: incident.StepUnknown,
	}
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

// eventually waits for a condition that another goroutine brings about.
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
	db.SetMaxIdleConns(0) // closing conn closes the file
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
func missing(t *testing.T, l *Ledger, want ...incident.Ban) (gone []incident.Ban) {
	t.Helper()
	return lacking(inForce(t, l, noon), want)
}

// missingBehind is missing for reads that return ErrBehind.
func missingBehind(t *testing.T, l *Ledger, want ...incident.Ban) (gone []incident.Ban) {
	t.Helper()
	bans, err := l.Bans(t.Context(), noon)
	if !errors.Is(err, ErrBehind) {
		t.Errorf("bans while the disk fails: %v", err)
	}
	return lacking(bans, want)
}

func lacking(bans, want []incident.Ban) (gone []incident.Ban) {
	in := make(map[netip.Prefix]incident.Ban)
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

// inForce is every ban in force, ordered by prefix.
func inForce(t *testing.T, l *Ledger, now time.Time) []incident.Ban {
	t.Helper()
	bans := must[[]incident.Ban](t)(l.Bans(t.Context(), now))
	slices.SortFunc(bans, func(a, b incident.Ban) int { return comparePrefix(a.Prefix, b.Prefix) })
	return bans
}

// episode is a ban in the file and how it was ended early, if it was.
type episode struct {
	incident.Ban
	ReleasedAt time.Time
	ReleasedBy string
}

// history is every ban, newest first.
func history(t *testing.T, l *Ledger) []episode {
	t.Helper()
	list := must[[]episode](t)(read(t.Context(), l, func(ctx context.Context, db *sql.DB) ([]episode, error) {
		rows, err := db.QueryContext(ctx, `SELECT prefix, since, until, reason, origin, offence, incident, scope, released_at, released_by FROM bans`)
		return collect(rows, err, func(rows *sql.Rows) (e episode, err error) {
			var prefix string
			var since, until, at sql.NullInt64
			var by sql.NullString
			err = rows.Scan(&prefix, &since, &until, &e.Reason, &e.Origin, &e.Offence, &e.Incident, &e.Scope, &at, &by)
			e.Prefix, e.Step = netip.MustParsePrefix(prefix), incident.StepUnknown
			e.Since, e.Until, e.ReleasedAt, e.ReleasedBy = fromMillis(since), fromMillis(until), fromMillis(at), by.String
			return e, err
		})
	}))
	slices.SortFunc(list, func(a, b episode) int {
		return gocmp.Or(b.Since.Compare(a.Since), comparePrefix(a.Prefix, b.Prefix))
	})
	return list
}

// episodes are bans that nobody ended early.
func episodes(bans ...incident.Ban) (list []episode) {
	for _, b := range bans {
		list = append(list, episode{Ban: b})
	}
	return list
}

// records returns how often each source has offended at since or later, ordered
// by prefix.
func records(t *testing.T, l *Ledger, since time.Time) []Record {
	t.Helper()
	list := must[[]Record](t)(l.Offences(t.Context(), since))
	slices.SortFunc(list, func(a, b Record) int { return comparePrefix(a.Prefix, b.Prefix) })
	return list
}

func comparePrefix(a, b netip.Prefix) int {
	return gocmp.Or(a.Addr().Compare(b.Addr()), gocmp.Compare(a.Bits(), b.Bits()))
}

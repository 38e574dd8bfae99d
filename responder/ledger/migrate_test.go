package ledger

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Ledgers of every version ever released must be readable, with all their rows.
// testdata/vN.sql is a ledger as version N left it.
func TestOldLedgersStayReadable(t *testing.T) {
	for version := 1; version <= schemaVersion(); version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			dump := must[[]byte](t)(os.ReadFile(fmt.Sprintf("testdata/v%d.sql", version)))
			path := filepath.Join(t.TempDir(), "ledger.db")
			conn := other(t, path, string(dump))
			conn.Close()

			l := open(t, path)
			if h := l.Health(); !h.OK() || h.Damage != "" {
				t.Fatalf("health: %+v", h)
			}
			if version >= 3 {
				habit := Habit{"1002", "country", "FR", time.UnixMilli(1767225600000), time.UnixMilli(1767229200000)}
				same(t, "habits", must[[]Habit](t)(l.Habits(t.Context())), []Habit{habit})
			}
			repeats := must[[]Record](t)(l.Repeats(t.Context(), time.UnixMilli(0)))
			if version >= 6 {
				same(t, "repeats", repeats, []Record{{prefix("192.0.2.66/32"), 2, time.UnixMilli(1767225600000)}})
			} else {
				same(t, "repeats", len(repeats), 0)
			}
			if version >= 5 {
				same(t, "holds", must[[]incident.Hold](t)(l.Holds(t.Context())), []incident.Hold{{Account: "1003", Kind: incident.HoldLock, Value: "PJSIP=internal", Since: time.UnixMilli(1767225600000)}})
			}
			if version >= 6 {
				at := time.UnixMilli(1767225600000)
				same(t, "guesses", must[[]Guess](t)(l.Guesses(t.Context())), []Guess{{
					Account: "1002", Prefix: prefix("192.0.2.66/32"), First: at, Last: at.Add(time.Second), Failures: 3, Proven: 2, Port: 5061, Transport: event.UDP, Signal: score.InvalidPassword,
				}})
			}
			spent := []Spent(nil)
			if version >= 7 {
				spent = []Spent{{Hour: 490896, Account: "1002", Trunk: "carrier", Place: "FR", Time: time.Minute, Calls: 1, Money: 500_000, Estimate: true}}
			}
			var want []orders.Order
			at := time.UnixMilli(1767225600000)
			if version >= 5 { // the lock that stood
				want = append(want, orders.Order{Account: "1003", Kind: orders.Lock, State: orders.InForce, Created: at, Since: at})
			}
			if version >= 8 {
				want = append(want, orders.Order{
					Account: "1004", Kind: orders.Rotate, State: orders.GaveUp, Reason: "the old password was back again", Created: at, Since: at.Add(time.Second),
					Incident: 41, New: []orders.Fingerprint{"aa"}, Old: []orders.Fingerprint{"bb", "cc"}, Repairs: []time.Time{at, at.Add(time.Second)},
				})
			}
			same(t, "orders", fmt.Sprintf("%+v", must[[]orders.Order](t)(l.Orders(t.Context()))), fmt.Sprintf("%+v", want))
			same(t, "spending", must[[]Spent](t)(l.Spending(t.Context(), time.UnixMilli(0))), spent)
			if version >= 2 {
				call := incident.Call{Channel: "PJSIP/1002-00000001", Account: "1002", Dialled: "00881234567", Began: time.UnixMilli(1767225601000)}
				if version < 4 { // when it was answered was not kept
					call.Answered = call.Began
				}
				same(t, "calls", must[incident.Incident](t)(l.Incident(t.Context(), 41)).Calls, []incident.Call{call})
			}
			holdsTheFirstLedger(t, l)
			same(t, "schema", schemaOf(t, l), schemaOf(t, open(t, file(t))))
		})
	}
}

// holdsTheFirstLedger checks for the rows that every dump begins with.
func holdsTheFirstLedger(t *testing.T, l *Ledger) {
	t.Helper()
	at := time.UnixMilli(1767225600000)
	ctx := t.Context()
	hand := incident.Ban{Prefix: prefix("2001:db8:7::/64"), Since: at, Reason: "by hand", Origin: "operator", Scope: "all", Step: incident.StepUnknown}
	past := incident.Ban{Prefix: prefix("192.0.2.7/32"), Since: at, Until: at.Add(time.Hour), Reason: "password guessing", Origin: "password guessing", Offence: 1, Incident: 1, Scope: "all", Step: incident.StepUnknown}
	same(t, "bans", inForce(t, l, at), []incident.Ban{hand})
	same(t, "history", history(t, l), []episode{{past, at.Add(time.Minute), "operator"}, {Ban: hand}})
	same(t, "offences", records(t, l, at), []Record{{prefix("192.0.2.7/32"), 1, at}})
	found := must[incident.Incident](t)(l.Incident(ctx, 41))
	found.Calls = nil // later than the first version
	step := incident.Step{Step: incident.StepBan, Target: "192.0.2.7/32", State: incident.Intended, Took: incident.Elapsed(1500 * time.Microsecond)}
	same(t, "incident", found, incident.Incident{
		ID: 41, At: at, Key: score.Key{Per: score.PerSource, Prefix: prefix("192.0.2.7/32")}, Threshold: "password guessing", Playbook: "block",
		Reason: "three wrong passwords", Mode: incident.Enforce, Account: "1002", Source: netip.MustParseAddr("192.0.2.7"),
		Steps: []incident.Step{step},
		Evidence: []incident.Evidence{{Record: score.Record{
			At: at.Add(-time.Second), Signal: score.InvalidPassword, Source: netip.MustParseAddr("192.0.2.7"), Port: 5061, Transport: event.UDP,
			Proof: score.Spoofable, Account: "1002", Session: "0x7f",
		}}},
	})
	open := must[[]OpenStep](t)(l.OpenSteps(ctx))
	same(t, "open steps", open, []OpenStep{{41, open[0].N, at, step}})
	same(t, "places", must[[]Place](t)(l.Places(ctx, at)), []Place{{"1002", prefix("198.51.100.9/32"), at}})
	same(t, "actions", must[[]Action](t)(l.Actions(ctx, at, 0)), []Action{{at, 0, "unban", "192.0.2.7/32", ""}})
	same(t, "next number", l.PutIncident(&incident.Incident{At: noon}), int64(42))
}

// Locks and restrictions were habits up to version 4; of several of one kind the
// newest counts. They are found, too, while another program keeps the file from
// being migrated.
func TestLocksAndRestrictionsMove(t *testing.T) {
	want := []incident.Hold{
		{Account: "1002", Kind: incident.HoldLock, Value: "PJSIP=office", Since: time.UnixMilli(2000)},
		{Account: "1002", Kind: incident.HoldRestriction, Value: "192.0.2.0/24 2001:db8::/48", Since: time.UnixMilli(3000)},
		{Account: "1004", Kind: incident.HoldLock, Value: "unknown", Since: time.UnixMilli(4000)},
	}
	for version := 3; version <= 4; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			t.Parallel()
			dump := must[[]byte](t)(os.ReadFile(fmt.Sprintf("testdata/v%d.sql", version)))
			path := filepath.Join(t.TempDir(), "ledger.db")
			conn := other(t, path, string(dump), `INSERT INTO habits VALUES
				('1002', 'locked', 'PJSIP=internal', 1000, 1000), ('1002', 'locked', 'PJSIP=office', 2000, 2000),
				('1002', 'restricted', '192.0.2.0/24 2001:db8::/48', 3000, 3000), ('1004', 'locked', 'unknown', 4000, 4000)`, "BEGIN IMMEDIATE")

			l := open(t, path)
			degraded(t, l, "another program has it locked")
			before := map[string]incident.Hold{}
			for _, h := range must[[]incident.Hold](t)(l.Holds(t.Context())) {
				before[h.Account+string(h.Kind)] = h
			}
			for _, h := range want {
				same(t, "hold before the move", before[h.Account+string(h.Kind)], h)
			}

			say(t, conn, "ROLLBACK")
			l.PutBan(guesser(1)) // which waits for the file to be written
			flush(t, l)
			same(t, "holds", must[[]incident.Hold](t)(l.Holds(t.Context())), want)
			for _, h := range must[[]Habit](t)(l.Habits(t.Context())) {
				same(t, "kind of a habit", h.Kind, "country")
			}
		})
	}
}

// Salvaging a damaged ledger of an older version also moves its holds.
func TestHoldsAreSavedFromAnOlderLedger(t *testing.T) {
	dump := must[[]byte](t)(os.ReadFile("testdata/v4.sql"))
	old := other(t, filepath.Join(t.TempDir(), "old.db"), string(dump), `INSERT INTO habits VALUES ('1002', 'locked', 'PJSIP=internal', 1000, 1000)`)
	l := open(t, "")
	flush(t, l)
	if rows := salvage(old, l.store.writer); rows == 0 {
		t.Error("nothing was saved")
	}
	want := []incident.Hold{{Account: "1002", Kind: incident.HoldLock, Value: "PJSIP=internal", Since: time.UnixMilli(1000)}}
	same(t, "holds", must[[]incident.Hold](t)(l.Holds(t.Context())), want)
}

// schemaOf describes a file's schema: that of a migrated file must equal that of a
// new one.
func schemaOf(t *testing.T, l *Ledger) (columns []string) {
	t.Helper()
	rows, err := l.store.read.Query(`SELECT m.type || ' ' || m.name || ' ' || coalesce(c.name, '') || ' ' || coalesce(c.type, '') || ' ' || coalesce(c."notnull", '') || ' ' || coalesce(c.pk, '')
		FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) c ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns
}

package ledger

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Every version ever released must still be readable, with all that is in it.
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
			if version >= 2 {
				call := Call{Channel: "PJSIP/1002-00000001", Account: "1002", Dialled: "00881234567", Began: time.UnixMilli(1767225601000)}
				if version < 4 { // when it was answered was not kept
					call.Answered = call.Began
				}
				same(t, "calls", must[Incident](t)(l.Incident(t.Context(), 41)).Calls, []Call{call})
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
	hand := Ban{Prefix: prefix("2001:db8:7::/64"), Since: at, Reason: "by hand", Origin: "operator", Scope: "all"}
	past := Ban{Prefix: prefix("192.0.2.7/32"), Since: at, Until: at.Add(time.Hour), Reason: "password guessing", Origin: "password guessing", Offence: 1, Incident: 1, Scope: "all", ReleasedAt: at.Add(time.Minute), ReleasedBy: "operator"}
	same(t, "bans", must[[]Ban](t)(l.Bans(ctx, at)), []Ban{hand})
	same(t, "history", history(t, l), []Ban{past, hand})
	same(t, "offences", records(t, l, at), []Record{{prefix("192.0.2.7/32"), 1, at}})
	incident := must[Incident](t)(l.Incident(ctx, 41))
	incident.Calls = nil // later than the first version
	same(t, "incident", incident, Incident{
		ID: 41, At: at, KeyKind: "source", KeyValue: "192.0.2.7/32", Threshold: "password guessing", Playbook: "block",
		Reason: "three wrong passwords", Mode: "enforce", Account: "1002", Source: netip.MustParseAddr("192.0.2.7"),
		Steps:    []Step{{Incident: 41, N: 1, Step: "ban", Target: "192.0.2.7/32", State: StepIntended, StartedAt: at, Took: 1500 * time.Microsecond}},
		Evidence: []Evidence{{At: at.Add(-time.Second), Signal: "InvalidPassword", Source: netip.MustParseAddr("192.0.2.7"), Port: 5061, Transport: "UDP", Proof: "claimed", Account: "1002", Session: "0x7f"}},
	})
	same(t, "places", must[[]Place](t)(l.Places(ctx, at)), []Place{{"1002", prefix("198.51.100.9/32"), at}})
	same(t, "actions", must[[]Action](t)(l.Actions(ctx, at, 0)), []Action{{at, 0, "unban", "192.0.2.7/32", ""}})
	same(t, "next number", l.PutIncident(Incident{At: noon}), int64(42))
}

// schemaOf lists what a file is made of: a migrated one must equal a fresh one.
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

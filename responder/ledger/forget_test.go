package ledger

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestWithout(t *testing.T) {
	for _, c := range []struct{ text, subject, want string }{
		{"3 wrong passwords for 1006 within 1h", "1006", "3 wrong passwords for [forgotten] within 1h"},
		{"3 wrong passwords for 10061 within 1h", "1006", "3 wrong passwords for 10061 within 1h"},
		{"ended PJSIP/1006-0000001a", "1006", "ended PJSIP/[forgotten]"},
		{"From: <sip:1006@pbx>, 1006.", "1006", "From: <sip:[forgotten]@pbx>, [forgotten]."},
		{"calls of alice.smith", "alice", "calls of alice.smith"},
		{"dialled 00442079460500", "00442079460500", "dialled [forgotten]"},
		{"the ban of 203.0.113.5/32", "203.0.113.5", "the ban of [forgotten]/32"},
		{"RemoteAddress: IPV4/TCP/203.0.113.5/5060, 203.0.113.5:5060", "203.0.113.5", "RemoteAddress: IPV4/TCP/[forgotten]/5060, [forgotten]:5060"},
		{"203.0.113.51 and 1203.0.113.5 and 203.0.113.0/24", "203.0.113.5", "203.0.113.51 and 1203.0.113.5 and 203.0.113.0/24"},
		{"203.0.113.5-7: heard from 203.0.113.5.", "203.0.113.5", "[forgotten]-7: heard from [forgotten]."},
		{"[2001:db8::7]:5060 and 2001:db8::/64 and 2001:db8:0:1::7", "2001:db8::1", "[[forgotten]]:5060 and [forgotten]/64 and 2001:db8:0:1::7"},
		{"nothing", "", "nothing"},
	} {
		if got := without(c.text, c.subject); got != c.want {
			t.Errorf("%q without %q: %q, want %q", c.text, c.subject, got, c.want)
		}
	}
}

// A person's extension, address and number leave no byte in the file, in whatever
// table they were; what others did stays, and so do a ban and a lock in force.
func TestForget(t *testing.T) {
	const account, number = "1006", "00442079460500"
	addr := netip.MustParseAddr("203.0.113.77")
	fill := func(path string) {
		l := open(t, path)
		source := netip.PrefixFrom(addr, 32)
		l.PutBan(incident.Ban{Prefix: source, Since: noon.Add(-2 * time.Hour), Until: noon.Add(-time.Hour), Reason: "3 wrong passwords for 1006 within 1h", Origin: "password guessing", Scope: incident.ScopeAll})
		l.PutBan(incident.Ban{Prefix: prefix("192.0.2.9/32"), Since: noon, Until: noon.Add(time.Hour), Reason: "3 wrong passwords for 1006 within 1h", Origin: "password guessing", Scope: incident.ScopeAll})
		l.AddOffence(source, noon)
		l.PutPlace(Place{Account: account, Prefix: source, LastSuccess: noon})
		l.PutPlace(Place{Account: "1007", Prefix: prefix("192.0.2.10/32"), LastSuccess: noon})
		for _, about := range []string{account, "1007"} {
			in := incident.Incident{
				At: noon, Key: score.Key{Per: score.PerAccount, Account: about}, Threshold: "break-in", Playbook: "compromise", Account: about,
				Reason: "a login of " + about + " from " + addr.String() + " after one of " + account, Source: netip.MustParseAddr("192.0.2.10"),
				Steps: []incident.Step{{Step: "hangup", Target: about, Detail: "PJSIP/" + account + "-00000001 to " + number}},
			}
			if about == account {
				in.Source = addr
			}
			in.Evidence = []incident.Evidence{{
				Record: score.Record{At: noon, Source: in.Source, Account: about},
				Raw:    incident.Raw("AccountID: " + account + "\nRemoteAddress: IPV4/UDP/203.0.113.77/5060\nExten: " + number),
			}}
			id := l.PutIncident(&in)
			l.PutCall(id, incident.Call{Channel: "PJSIP/" + about + "-00000001", Account: about, Dialled: number, Began: noon})
		}
		l.PutAction(Action{At: noon, Action: "rotate", Target: account, Detail: "from " + addr.String() + " for " + number})
		flush(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{account, addr.String(), number} {
		path := filepath.Join(t.TempDir(), "ledger.db")
		fill(path)
		named := 0
		count := func(string, map[string]any) error { named++; return nil }
		if err := Personal(t.Context(), path, subject, count); err != nil || named == 0 {
			t.Fatalf("%s: %d rows, %v", subject, named, err)
		}
		if _, err := Forget(t.Context(), path, subject, noon); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(subject)) {
			t.Errorf("%s is still in the file", subject)
		}
		if wal, err := os.ReadFile(path + "-wal"); err == nil && bytes.Contains(wal, []byte(subject)) {
			t.Errorf("%s is still in the WAL", subject)
		}
		l := open(t, path)
		if bans := inForce(t, l, noon); len(bans) != 1 {
			t.Errorf("%s: bans in force: %v", subject, bans)
		}
		incidents, err := l.Incidents(t.Context(), 0)
		if err != nil || len(incidents) == 0 || incidents[0].Account != "1007" {
			t.Errorf("%s: others' incidents: %v, %v", subject, incidents, err)
		}
	}
}

// What is in force is kept and said; a ledger of another version is not touched.
func TestForgetKeepsWhatIsInForce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.PutBan(guesser(1))
	l.PutHold(incident.Hold{Account: "1006", Kind: incident.HoldLock, Since: noon})
	if err := errors.Join(l.Flush(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	for subject, table := range map[string]string{source(1).Addr().String(): "bans", "1006": "holds"} {
		f, err := Forget(t.Context(), path, subject, noon)
		if err != nil || f.Kept[table] != 1 || f.Deleted[table] != 0 {
			t.Errorf("%s: %+v, %v; want one of %s kept", subject, f, err, table)
		}
	}
	if _, err := Forget(t.Context(), filepath.Join(t.TempDir(), "none.db"), "1006", noon); err == nil {
		t.Error("a ledger that is not there is emptied")
	}
}

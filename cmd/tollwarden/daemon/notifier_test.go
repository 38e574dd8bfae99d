package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

func newLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// inbox is a receiver that keeps what it gets.
type inbox struct{ got chan *notify.Message }

func (inbox) Name() string                                         { return "inbox" }
func (inbox) Check(context.Context) error                          { return nil }
func (b inbox) Deliver(_ context.Context, m *notify.Message) error { b.got <- m; return nil }

// tollFraud records an incident with a call, and returns it as the engine has it.
func tollFraud(l *ledger.Ledger) *incident.Incident {
	at := time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)
	thief := netip.MustParseAddr("192.0.2.66")
	id := l.PutIncident(&incident.Incident{
		At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Source: thief, Threshold: "toll-fraud", Mode: incident.Enforce,
		Evidence: []incident.Evidence{{
			Record: score.Record{At: at, Signal: score.ForbiddenDestination, Source: thief, Transport: event.UDP, Proof: score.Proven, Account: "1002"},
			Raw:    "Event: Newchannel\r\n",
		}},
	})
	l.PutCall(id, incident.Call{Channel: "PJSIP/1002-00000001", Account: "1002", Dialled: "00882612345678", Began: at, Answered: at, Ended: at.Add(time.Minute)})
	return &incident.Incident{ID: id, At: at, Account: "1002", Source: thief, Threshold: "toll-fraud"}
}

// A message about toll fraud has the calls, and the sum of the very evidence that
// `tollwarden incident` prints; without the ledger it has neither.
func TestMessageHasTheCalls(t *testing.T) {
	words, err := notify.ParseWords("{{.Title}}", "{{.Report}}")
	if err != nil {
		t.Fatal(err)
	}
	l, to := newLedger(t), inbox{make(chan *notify.Message, 1)}
	n := newNotifier(&notifyConfig{receivers: notify.Receivers{Mail: to, Within: time.Second, Limit: notify.Limit{Digest: time.Minute}}, words: words}, l, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.post.Run(ctx) }()
	defer func() { cancel(); <-done }()

	i := tollFraud(l)
	n.Deliver(i, func(incident.State, string) {})
	m := <-to.got
	recorded, err := l.Incident(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(report.Of(recorded, time.UTC).Annex.Data)
	for _, want := range []string{"Call to 00882612345678", "1 min 0 s of talk", "Call your carrier today with the list of calls below", hex.EncodeToString(sum[:])} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, m.Text)
		}
	}
	if len(m.Files) != 1 || !bytes.Contains(m.Files[0].Data, []byte("Event: Newchannel")) || strings.Contains(m.Text, "Event: Newchannel") {
		t.Errorf("the evidence is no file, or in the text: %v", m.Files)
	}
	if len(m.JSON.(incident.Incident).Calls) != 1 || len(m.Brief.(incident.Incident).Calls) != 0 {
		t.Errorf("JSON %+v, brief %+v", m.JSON, m.Brief)
	}

	i.ID = 99 // which is not recorded
	n.Deliver(i, func(incident.State, string) {})
	m = <-to.got
	if !strings.Contains(m.Text, "`tollwarden incident 99`") || strings.Contains(m.Text, "No call is known") || strings.Contains(m.Text, "SHA-256") {
		t.Errorf("without the ledger the mail is\n%s", m.Text)
	}
}

// The command gets what `tollwarden incident ID --json` prints.
func TestExecGetsTheCalls(t *testing.T) {
	l, out := newLedger(t), filepath.Join(t.TempDir(), "out")
	r := newCommandRunner(script(t, "cat > "+out), l)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.run(ctx) }()
	i := tollFraud(l)
	var ran sync.WaitGroup
	ran.Add(1)
	r.Deliver(i, func(incident.State, string) { ran.Done() })
	ran.Wait()
	cancel()
	<-done
	recorded, err := l.Incident(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(recorded)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(bytes.TrimSpace(got), want) || !bytes.Contains(got, []byte(`"calls":[{`)) {
		t.Errorf("it got %s, %v, want %s", got, err, want)
	}
}

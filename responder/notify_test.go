package responder_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// outside is a receiver of incidents and reports when asked to.
type outside struct {
	mu      sync.Mutex
	heard   []*incident.Incident
	reports []func(incident.State, string)
}

func (o *outside) Deliver(i *incident.Incident, report func(incident.State, string)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard, o.reports = append(o.heard, i), append(o.reports, report)
}

// answer reports of the first incident, once it is there.
func (o *outside) answer(t *testing.T, state incident.State, detail string) *incident.Incident {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for range 500 {
		if len(o.heard) > 0 {
			break
		}
		o.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		o.mu.Lock()
	}
	if len(o.heard) == 0 {
		t.Fatal("no receiver was notified")
	}
	o.reports[0](state, detail)
	return o.heard[0]
}

// Who is told, and what is run, comes when all else is done; what they report
// is on record, the last word as the outcome.
func TestNotifyAndExec(t *testing.T) {
	p := guessing(3)
	p.Playbooks["compromise"] = append(p.Playbooks["compromise"], incident.StepNotify, incident.StepExec)
	p.Command = "/usr/local/bin/on-incident"
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	h := &harness{kernel: &memoryFirewall{bans: map[netip.Prefix]incident.Ban{}}, pbx: &exchange{asked: map[string]int{}}, ledger: l}
	pager, command := &outside{}, &outside{}
	h.Engine, err = responder.New(t.Context(), noon, p, responder.Parts{Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Notifier: pager, Exec: command, Ledger: l, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.hear(t, noon, []byte(intrusion("1002")))

	heard := pager.answer(t, incident.Intended, "mail: not yet: connection refused")
	for _, s := range heard.Steps[:4] {
		if s.State != incident.Done {
			t.Errorf("notified while %s is %s", s.Step, s.State)
		}
	}
	if d := heard.Steps[2].Detail; d != "changed; no IP address of its phones is known" {
		t.Errorf("rotate: %q", d)
	}
	command.answer(t, incident.Failed, "exit status 1")
	row, err := l.Incident(t.Context(), heard.ID)
	if err != nil {
		t.Fatal(err)
	}
	if s := row.Steps[4]; s.State != "intended" || s.Detail != "mail: not yet: connection refused" {
		t.Errorf("notify is %+v", s)
	}
	pager.answer(t, incident.Done, "mail delivered")
	h.settled(t)
	row, err = l.Incident(t.Context(), heard.ID)
	if err != nil {
		t.Fatal(err)
	}
	if s := row.Steps[4]; s.State != "done" || s.Detail != "mail delivered" {
		t.Errorf("notify is %+v", s)
	}
	if s := row.Steps[5]; s.State != "failed" || s.Target != "/usr/local/bin/on-incident" || s.Detail != "exit status 1" {
		t.Errorf("exec is %+v", s)
	}
	steps := h.Meters().Journal.Steps
	if steps[journal.Outcome{Step: incident.StepNotify, State: incident.Done}] != 1 || steps[journal.Outcome{Step: incident.StepNotify, State: incident.Intended}] != 0 {
		t.Errorf("counted: %v", steps)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// In mode observe nothing is run; without a command the step says so.
func TestExecThatIsNotRun(t *testing.T) {
	p := guessing(3)
	p.Playbooks["block"] = []incident.StepKind{incident.StepBan, incident.StepExec}
	h := newHarness(t, p)
	h.hear(t, noon, []byte(failures("1002", "192.0.2.66", 3)))
	if s := h.settled(t)[0].Steps[1]; s.State != "skipped" || s.Detail != "no command is configured: set exec.command" {
		t.Errorf("exec is %+v", s)
	}
	p.Observe, p.Command = true, "/usr/local/bin/on-incident"
	h = newHarness(t, p)
	h.hear(t, noon, []byte(failures("1002", "192.0.2.66", 3)))
	if s := h.settled(t)[0].Steps[1]; s.State != "skipped" || !strings.Contains(s.Detail, "would run /usr/local/bin/on-incident") {
		t.Errorf("exec is %+v", s)
	}
}

package replay

import (
	"container/heap"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Options say what to replay and how.
type Options struct {
	Policy responder.Policy // its mode does not matter: nothing is there to be changed
	Own    netip.Addr       // where the daemon's own manager sessions come from, if known
	Zone   *time.Location   // of times that name none; nil is the local one
	// Saw, when set, is called with every observation, before it is judged.
	Saw func(*Observation)
	// Progress, when set, is called now and then.
	Progress func(Progress)
}

// Progress is how far a replay has come.
type Progress struct {
	Read, Size int64 // bytes of the files
	Items      uint64
	At         time.Time // virtual time
}

// Observation is one thing that one sensor saw. What several sensors saw is
// told by each; the judgement counts it once.
type Observation struct {
	At      time.Time
	Sensor  string // ami, security log or log
	Kind    string // Asterisk's name of the event; Tampering; NotIssued
	Source  string // "" when none is known
	Account string
	Session string
	Proof   string // spoofable or proven
}

// Result is what would have happened.
type Result struct {
	Files     []File
	From, To  time.Time
	Counters  responder.Counters
	Incidents []incident.Incident // in order, without evidence; at most MaxIncidents
	Dropped   uint64              // incidents beyond that
	Bans      []Ban
	Accounts  []Account // with a failure or an incident, worst first; at most MaxAccounts
}

// Bounds of a result.
const (
	MaxIncidents = 20_000
	MaxAccounts  = 10_000
	maxBans      = 100_000
)

// Ban is one source that would have been banned, perhaps more than once.
type Ban struct {
	incident.Ban        // the last one
	Times        int    // how often
	Stopped      uint64 // events that it would have kept away
	Logins       uint64 // right passwords among them: somebody who belongs there?
}

// Account is what befell one account.
type Account struct {
	Name      string
	Failures  uint64
	Logins    uint64
	Incidents int
}

// Run replays files.
func Run(ctx context.Context, paths []string, o Options) (*Result, error) {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	p := &player{options: o, bans: map[netip.Prefix]*Ban{}, accounts: map[string]*Account{}}
	defer p.close()
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			p.done.Size += info.Size()
		}
	}
	for _, path := range paths {
		s, err := open(path, o.Zone, p.progress)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, s)
	}
	p.tellLogsApart()
	accounts, err := accountsOf(p.sources, o.Zone)
	if err != nil {
		return nil, err
	}
	if err := p.start(ctx, accounts); err != nil {
		return nil, err
	}
	for len(p.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.done.Items++
		p.play(&p.queue[0].item)
		p.advance()
	}
	return p.result(), nil
}

// player is one replay.
type player struct {
	options   Options
	sources   []*source
	queue     queue
	responder *responder.Responder
	ledger    *ledger.Ledger
	folder    string // of the ledger, gone with the replay

	done      Progress
	from, now time.Time
	tidied    time.Time
	incidents []incident.Incident
	fresh     []incident.Incident // since the last item
	dropped   uint64
	bans      map[netip.Prefix]*Ban
	accounts  map[string]*Account
}

// progress is called for every piece of a file that is read.
func (p *player) progress(n int) {
	p.done.Read, p.done.At = p.done.Read+int64(n), p.now
	if p.options.Progress != nil {
		p.options.Progress(p.done)
	}
}

// tellLogsApart gives each log sensors of its own; the files of one rotated
// log are one.
func (p *player) tellLogsApart() {
	var families []string
	for _, s := range p.sources {
		log, ok := s.stream.(*logStream)
		if !ok {
			continue
		}
		name := family(s.Path)
		n := slices.Index(families, name)
		if n < 0 {
			n = len(families)
			families = append(families, name)
		}
		log.secure, log.plain = responder.LogSensors(n)
	}
}

// start makes the responder at the time of the first item.
func (p *player) start(ctx context.Context, accounts []calls.Account) error {
	for _, s := range p.sources {
		if s.stream.next(&s.item) == nil {
			p.queue = append(p.queue, s)
		}
	}
	heap.Init(&p.queue)
	if len(p.queue) > 0 {
		p.from, p.now = p.queue[0].item.at, p.queue[0].item.at
	}
	var err error
	if p.folder, err = os.MkdirTemp("", "tollwarden-replay-"); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if p.ledger, err = ledger.Open(filepath.Join(p.folder, "ledger.db"), ledger.Options{}); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	policy := p.options.Policy
	policy.Observe, policy.Log = true, true
	p.responder, err = responder.New(p.now, policy, responder.Parts{
		Firewall: nothing{}, PBX: switchboard{accounts: accounts}, Ledger: p.ledger, Log: zerolog.Nop(), Witness: p.witness,
	})
	if err != nil {
		return err
	}
	p.responder.SetOwn(p.options.Own)
	if len(accounts) == 0 {
		return nil
	}
	return p.responder.ResyncAt(ctx, p.now)
}

// advance takes the next item of the source whose item was played.
func (p *player) advance() {
	s := p.queue[0]
	if s.stream.next(&s.item) != nil {
		heap.Pop(&p.queue)
		return
	}
	heap.Fix(&p.queue, 0)
}

// witness is called as an incident opens; nothing changes it afterwards, for
// nothing is carried out.
func (p *player) witness(i responder.Incident) {
	i.Evidence = nil // a month of it would not fit
	p.fresh = append(p.fresh, i.Shared())
}

// play judges one item, unless a ban would have kept it away.
func (p *player) play(it *item) {
	if it.at.After(p.now) {
		p.now = it.at
	}
	if p.now.Sub(p.tidied) >= time.Minute {
		p.responder.Tidy(p.now)
		p.tidied = p.now
	}
	if p.options.Saw != nil && (it.what != anEvent || it.event.Kind.Security()) {
		o := observation(it)
		p.options.Saw(&o)
	}
	if p.stopped(it) {
		return
	}
	switch it.what {
	case anEvent:
		account := accountOf(&it.event)
		if p.responder.Report(p.now, it.sensor, &it.event) {
			p.count(it.event.Kind, account)
		}
	case aTampering:
		p.responder.ReportTampering(p.now, it.sensor, &it.event)
	case aBlinding:
		p.responder.ReportBlinding(p.now)
	}
	for i := range p.fresh {
		p.happened(&p.fresh[i])
	}
	p.fresh = p.fresh[:0]
}

// stopped says whether a ban would have kept the item away.
func (p *player) stopped(it *item) bool {
	ban, banned := p.responder.Banned(p.now, it.event.Remote.Addr())
	if !banned || ban.Scope == responder.ScopeSIP && it.event.Transport.Connected() {
		return false
	}
	b := p.bans[ban.Prefix]
	if b == nil {
		return false
	}
	b.Stopped++
	if it.event.Kind == event.SuccessfulAuth {
		b.Logins++
	}
	return true
}

// count keeps the accounts' books.
func (p *player) count(kind event.Kind, account []byte) {
	right, wrong := kind == event.SuccessfulAuth, kind == event.ChallengeResponseFailed || kind == event.InvalidPassword
	if !right && !wrong {
		return
	}
	a := p.account(account)
	switch {
	case a == nil:
	case right:
		a.Logins++
	default:
		a.Failures++
	}
}

// happened takes an incident into the result.
func (p *player) happened(i *incident.Incident) {
	if len(p.incidents) < MaxIncidents {
		p.incidents = append(p.incidents, *i)
	} else {
		p.dropped++
	}
	if a := p.account([]byte(i.Account)); a != nil {
		a.Incidents++
	}
	source := i.Source
	if i.Key.Prefix.IsValid() {
		source = i.Key.Prefix.Addr()
	}
	ban, banned := p.responder.Banned(p.now, source)
	if !banned || !ban.Since.Equal(i.At) {
		return
	}
	b := p.bans[ban.Prefix]
	if b == nil {
		if len(p.bans) >= maxBans {
			return
		}
		b = &Ban{}
		p.bans[ban.Prefix] = b
	}
	b.Ban = ban.Shared()
	b.Times++
}

func (p *player) account(name []byte) *Account {
	if len(name) == 0 || string(name) == event.Unknown {
		return nil
	}
	a := p.accounts[string(name)]
	if a == nil {
		if len(p.accounts) >= MaxAccounts {
			return nil
		}
		a = &Account{Name: strings.ToValidUTF8(string(name), "�")}
		p.accounts[string(name)] = a
	}
	return a
}

// accountOf is the account that an event names, with chan_sip's guess at it.
func accountOf(e *event.Event) []byte {
	if account := e.Account(); account != nil {
		return account
	}
	if e.AccountTrust() == event.AccountOrNumber {
		return e.AccountID
	}
	return nil
}

func observation(it *item) Observation {
	o := Observation{
		At: it.at, Sensor: it.sensor.String(), Kind: it.event.Kind.String(),
		Account: string(accountOf(&it.event)), Session: string(it.event.SessionID), Proof: score.Spoofable.String(),
	}
	switch it.what {
	case aTampering:
		o.Kind = score.Tampering.String()
	case aBlinding:
		o.Kind = "NotIssued"
	}
	if it.event.Remote.IsValid() {
		o.Source = it.event.Remote.Addr().String()
	}
	if it.event.Proven() {
		o.Proof = score.Proven.String()
	}
	return o
}

func (p *player) result() *Result {
	r := &Result{From: p.from, To: p.now, Counters: p.responder.Counters(), Incidents: p.incidents, Dropped: p.dropped}
	for _, s := range p.sources {
		r.Files = append(r.Files, s.File)
	}
	for _, b := range p.bans {
		r.Bans = append(r.Bans, *b)
	}
	slices.SortFunc(r.Bans, func(x, y Ban) int {
		if c := x.Since.Compare(y.Since); c != 0 {
			return c
		}
		return x.Prefix.Addr().Compare(y.Prefix.Addr())
	})
	for _, a := range p.accounts {
		if a.Failures > 0 || a.Incidents > 0 {
			r.Accounts = append(r.Accounts, *a)
		}
	}
	slices.SortFunc(r.Accounts, func(x, y Account) int {
		switch {
		case x.Incidents != y.Incidents:
			return y.Incidents - x.Incidents
		case x.Failures > y.Failures:
			return -1
		case x.Failures < y.Failures:
			return 1
		}
		return strings.Compare(x.Name, y.Name)
	})
	return r
}

func (p *player) close() {
	for _, s := range p.sources {
		_ = s.closer()
	}
	if p.ledger != nil {
		_ = p.ledger.Close()
	}
	if p.folder != "" {
		_ = os.RemoveAll(p.folder)
	}
}

// queue has the source with the earliest item first.
type queue []*source

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].item.at.Before(q[j].item.at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*source)) }

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// nothing is the firewall of a replay, and a PBX that has nothing.
type nothing struct{}

func (nothing) Ban(time.Time, []responder.Ban) error                   { return nil }
func (nothing) Release(...netip.Prefix) error                          { return nil }
func (nothing) Include(time.Time, []responder.Ban) error               { return nil }
func (nothing) Complete(time.Time) error                               { return nil }
func (nothing) Restore(time.Time, []responder.Ban) error               { return nil }
func (nothing) Allow([]netip.Prefix) error                             { return nil }
func (nothing) Bans(time.Time) []responder.Ban                         { return nil }
func (nothing) Hangup(context.Context, string) ([]string, error)       { return nil, nil }
func (nothing) Rotate(context.Context, string) (string, error)         { return "", nil }
func (nothing) ExpireContacts(context.Context, string) (string, error) { return "", nil }
func (nothing) Lock(context.Context, string) (string, string, error)   { return "", "", nil }
func (nothing) Unlock(context.Context, string, string) (string, error) { return "", nil }
func (nothing) Restrict(context.Context, string, []netip.Prefix) (string, error) {
	return "", nil
}

func (nothing) Lift(context.Context, string, []netip.Prefix) (string, error) {
	return "", nil
}
func (nothing) HangupChannel(context.Context, string) (bool, error) { return false, nil }
func (nothing) Whence(context.Context, string) (netip.AddrPort, error) {
	return netip.AddrPort{}, nil
}
func (nothing) Agent(context.Context, string) (string, error)          { return "", nil }
func (nothing) Accounts(context.Context) ([]calls.Account, error)      { return nil, nil }
func (nothing) Trusted(context.Context) ([]responder.Protected, error) { return nil, nil }
func (nothing) Contacts(context.Context) ([]responder.Contact, error) {
	return nil, nil
}
func (nothing) Channels(context.Context) ([]calls.Channel, error) { return nil, nil }

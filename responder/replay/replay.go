package replay

import (
	"container/heap"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/responder/archive"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Options say what to replay and how.
type Options struct {
	Policy judge.Policy   // its mode does not matter, because a replay changes nothing
	Own    netip.Addr     // address of the daemon's own manager sessions, if known
	Zone   *time.Location // of times without a zone; nil is local time
	Dates  cdr.Order      // of day and month in call records; Unclear is what the file shows
	// DateFormat is the format of dates in logs; nil is that which they show.
	DateFormat *logfile.DateFormat
	Tags       []string // further names of Asterisk in syslog and the journal
	// Saw, if set, is called with every observation before it is judged.
	Saw func(*Observation)
	// Calls, if set, asks a database for call records; its name is that of the file which
	// the result has of them. They are read twice, and closed.
	Calls     func(context.Context) (CallReader, error)
	CallsName string
	// Progress, if set, is called after every read from a file.
	Progress func(Progress)
}

// CallReader reads call records until it is closed.
type CallReader interface {
	cdr.Reader
	Close() error
}

// Progress is the progress of a replay.
type Progress struct {
	Read, Size int64 // in bytes of the files
	Items      uint64
	At         time.Time // virtual time
}

// Observation is one thing that one sensor saw. Several sensors may report the
// same thing; the judge counts it once.
type Observation struct {
	At      time.Time
	Sensor  string // ami, security log or log
	Kind    string // Asterisk's name of the event; Tampering; NotIssued
	Source  string // "" when unknown
	Account string
	Session string
	Proof   string // spoofable or proven
}

// Result is what would have happened.
type Result struct {
	Files    []File
	Skipped  []archive.Skipped // files of folders that were not read
	From, To time.Time
	// Assumed is how many attempts over UDP were taken for confirmed: a recording does not
	// show where their challenges went.
	Assumed   uint64
	Counters  judge.Counters
	Incidents []incident.Incident // in order of time; at most MaxIncidents
	Dropped   uint64              // further incidents
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
	Times        int    // how often it would have been banned
	Stopped      uint64 // events that the bans would have stopped
	Logins       uint64 // logins among them, which may be a user's
}

// Account counts what happened to one account.
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
	if err := p.open(paths); err != nil {
		return nil, err
	}
	if o.Calls != nil {
		s, err := ask(ctx, o)
		if err != nil {
			return nil, err
		}
		s.n = len(p.sources)
		p.sources = append(p.sources, s)
	}
	p.assignSensors()
	accounts, err := accountsOf(p.sources)
	if err != nil {
		return nil, err
	}
	if err := p.start(accounts); err != nil {
		return nil, err
	}
	for len(p.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.done.Items++
		p.play(&p.queue[0].item)
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return p.result(), nil
}

// player is one replay.
type player struct {
	options   Options
	sources   []*source
	skipped   []archive.Skipped
	queue     queue
	judge     *judge.Judge
	done      Progress
	from, now time.Time
	pruned    time.Time // when the judge last forgot what is old
	incidents []incident.Incident
	fresh     []incident.Incident // since the last item
	dropped   uint64
	assumed   uint64
	opened    int64
	bans      map[netip.Prefix]*Ban
	accounts  map[string]*Account
}

// open opens the files, and those of the folders. One of a folder that cannot be opened is
// skipped.
func (p *player) open(paths []string) error {
	files, skipped, err := archive.Expand(paths)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	p.skipped = skipped
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			p.done.Size += info.Size()
		}
	}
	for _, path := range files {
		s := &source{n: len(p.sources)}
		err := s.open(path, &p.options, func(n int) { p.progress(s, n) })
		if err != nil && !slices.Contains(paths, path) {
			if info, err := os.Stat(path); err == nil {
				p.done.Size -= info.Size()
			}
			p.skipped = append(p.skipped, archive.Skipped{Path: path, Why: err.Error()})
			continue
		}
		if err != nil {
			return err
		}
		p.sources = append(p.sources, s)
	}
	return nil
}

// progress is called after every read from a file.
func (p *player) progress(s *source, n int) {
	again := min(s.skip, int64(n)) // it was read before
	s.skip -= again
	s.counted += int64(n)
	p.done.Read, p.done.At = p.done.Read+int64(n)-again, p.now
	if p.options.Progress != nil {
		p.options.Progress(p.done)
	}
}

// assignSensors gives each log its own sensors; the files of a rotated log share
// them.
func (p *player) assignSensors() {
	var families []string
	for _, s := range p.sources {
		if s.Format != FormatLog {
			continue
		}
		name := family(s.Path)
		n := slices.Index(families, name)
		if n < 0 {
			n = len(families)
			families = append(families, name)
		}
		s.secure, s.plain = intake.LogSensors(n)
		s.tell()
	}
}

// start creates the judge at the time of the first item.
func (p *player) start(accounts []calls.Account) error {
	for _, s := range p.sources {
		if s.stream.next(&s.item) == nil {
			p.queue = append(p.queue, s)
		}
		if len(p.sources) > maxAwake {
			s.park()
		}
	}
	heap.Init(&p.queue)
	if len(p.queue) > 0 {
		p.from, p.now = p.queue[0].item.at, p.queue[0].item.at
	}
	policy := p.options.Policy
	policy.Observe, policy.Log, policy.DropsFlows, policy.Throttles = true, true, true, true
	var err error
	if p.judge, err = judge.New(p.now, policy, recorder{player: p}); err != nil {
		return err
	}
	p.judge.Intake.SetOwn(p.options.Own)
	p.judge.Intake.Proof.AssumeAnswered()
	if len(accounts) > 0 {
		p.judge.Calls.List(accounts)
		p.judge.SetContacts(p.now, nil, nil)
	}
	return nil
}

// advance takes the next item of the source whose item was played.
func (p *player) advance() error {
	s := p.queue[0]
	if err := s.wake(&p.options, func(n int) { p.progress(s, n) }); err != nil {
		return err
	}
	if s.stream.next(&s.item) != nil {
		s.park()
		heap.Pop(&p.queue)
		return nil
	}
	heap.Fix(&p.queue, 0)
	return nil
}

// play judges one item, unless a ban would have stopped it.
func (p *player) play(it *item) {
	p.watch(it.at)
	if it.at.After(p.now) {
		p.now = it.at
	}
	if p.now.Sub(p.pruned) >= time.Minute {
		p.judge.Prune(p.now)
		p.pruned = p.now
	}
	if p.options.Saw != nil && (it.what != anEvent || it.event.Kind.Security()) {
		o := observation(it)
		p.options.Saw(&o)
	}
	if it.what == anEvent && intake.IsAnswer(&it.event) && !it.event.Transport.Connected() {
		p.assumed++
	}
	if p.stopped(it) {
		return
	}
	switch it.what {
	case anEvent:
		account := accountOf(&it.event)
		if p.judge.Event(p.now, it.sensor, &it.event) {
			p.count(it.event.Kind, account)
		}
	case aTampering:
		p.judge.Tampered(p.now, it.sensor, &it.event)
	case aBlinding:
		p.judge.Blinded(p.now)
	}
	p.addFresh()
}

// addFresh adds the incidents that were opened since the last time.
func (p *player) addFresh() {
	for i := range p.fresh {
		p.add(&p.fresh[i])
	}
	p.fresh = p.fresh[:0]
}

const (
	// watchEvery is how often the judge looks at calls that are up.
	watchEvery = 5 * time.Second
	// watchFor is the longest pause between two items in which it does: transcripts may
	// lack the end of a call.
	watchFor = 24 * time.Hour
)

// watch lets the judge look at calls that are up and cost, until the next item.
func (p *player) watch(until time.Time) {
	if until.Sub(p.now) > watchFor {
		return
	}
	for p.judge.Spending.Up() > 0 && until.Sub(p.now) > watchEvery {
		p.now = p.now.Add(watchEvery)
		p.judge.Watch(p.now)
	}
	p.addFresh()
}

// stopped reports whether a ban would have stopped the item.
func (p *player) stopped(it *item) bool {
	ban, banned := p.banned(p.now, it.event.Remote.Addr())
	if !banned || ban.Scope == incident.ScopeSIP && it.event.Transport.Connected() {
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

// banned returns the ban in force that covers an address.
func (p *player) banned(now time.Time, source netip.Addr) (incident.Ban, bool) {
	if !source.IsValid() {
		return incident.Ban{}, false
	}
	source = source.Unmap()
	return p.judge.Bans.Covering(now, netip.PrefixFrom(source, source.BitLen()))
}

// count counts the logins and failures of each account.
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

// accountOf is the account that an event names. With chan_sip it may be a caller's
// number instead.
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
	if it.event.Proven() || it.what == anEvent && intake.IsAnswer(&it.event) {
		o.Proof = score.Proven.String()
	}
	return o
}

func (p *player) result() *Result {
	r := &Result{Skipped: p.skipped, Assumed: p.assumed, From: p.from, To: p.now, Counters: p.judge.Counters(), Incidents: p.incidents, Dropped: p.dropped}
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
		s.park()
		if s.closer != nil { // a pipe
			_ = s.closer()
		}
	}
}

// queue is a heap with the source of the earliest item first.
type queue []*source

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*source)) }

func (q queue) Less(i, j int) bool {
	if c := q[i].item.at.Compare(q[j].item.at); c != 0 {
		return c < 0
	}
	return q[i].n < q[j].n
}

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

package spending

import "time"

const (
	// window is the time that limits are for, in hours.
	window = 24
	// maxRunning bounds the calls that are followed, maxUses the finished ones' sums, and
	// maxDays what is learned from.
	maxRunning, maxUses, maxDays = 100_000, 200_000, 400_000
)

// Spending counts what calls cost.
type Spending struct {
	rules   Rules
	calls   map[string]*running      // by channel
	uses    map[int64]map[usedIn]Use // of the last hours, by hour
	entries int                      // of uses
	days    map[dayOf]Sum
	learned *learned
	upTo    int64 // learned is from the days before this one
	learns  bool  // the first days of the site are not over
	stale   bool  // learned must be learned anew
	raised  map[alertKey]Alert
	booked  bool   // something was, since the last check
	refused uint64 // calls and uses, for lack of room

	// The running sums of uses: by what is usual, and at which hour. touched are the keys
	// whose sums have grown since the last check. finished is nil if they must be counted anew.
	finished  tallies
	talliedBy *learned
	talliedAt int64
	touched   map[tallyKey]bool

	// Used, if set, is called with what a finished call adds to an hour. Forgave is called
	// when what an account has spent since an hour no longer counts; "" is every account.
	Used    func(Use)
	Forgave func(account string, since int64)
}

// New returns Spending that has counted nothing.
func New(rules Rules) *Spending {
	s := &Spending{
		calls: map[string]*running{}, uses: map[int64]map[usedIn]Use{}, days: map[dayOf]Sum{},
		raised: map[alertKey]Alert{}, touched: map[tallyKey]bool{},
	}
	s.Configure(rules)
	return s
}

// Configure replaces the rules and keeps everything counted and learned.
func (s *Spending) Configure(rules Rules) {
	if rules.Zone == nil {
		rules.Zone = time.UTC
	}
	s.rules, s.stale = rules, true
}

// Began records a call that is being set up. A call of no class is not counted.
func (s *Spending) Began(c Call) {
	if c.Class == None {
		return
	}
	if len(s.calls) >= maxRunning {
		s.refused++
		return
	}
	if s.calls[c.Channel] == nil {
		s.calls[c.Channel] = &running{Call: c}
	}
}

// Answered records that a call was answered: from then on it costs. Only the first answer
// counts.
func (s *Spending) Answered(at time.Time, channel string) {
	if c := s.calls[channel]; c != nil && c.answered.IsZero() {
		c.answered = at
	}
}

// Ended records the end of a call.
func (s *Spending) Ended(now time.Time, channel string) {
	c := s.calls[channel]
	if c == nil {
		return
	}
	delete(s.calls, channel)
	if c.answered.IsZero() {
		return
	}
	s.rules.cut(c, now, func(u Use) {
		s.book(u)
		if s.Used != nil {
			s.Used(u)
		}
	})
}

// Known says whether a call is followed.
func (s *Spending) Known(channel string) bool { return s.calls[channel] != nil }

// Running calls see for each call that is up, in no order.
func (s *Spending) Running(see func(Call)) {
	for _, c := range s.calls {
		see(c.Call)
	}
}

// Up is the number of calls that are followed.
func (s *Spending) Up() int { return len(s.calls) }

// Refused is how many calls, and parts of calls, were not counted for lack of room.
func (s *Spending) Refused() uint64 { return s.refused }

// Restore takes over what was spent in former runs.
func (s *Spending) Restore(list []Use) {
	for _, u := range list {
		s.book(u)
	}
	s.stale = true
}

// book adds what was spent within an hour.
func (s *Spending) book(u Use) {
	s.booked = true
	if !s.enter(u) {
		s.refused++
		return
	}
	s.tallied(&u)
	d := dayOf{s.rules.day(time.Unix(u.Hour*3600, 0)), u.Account, u.Place, u.Closed}
	sum, known := s.days[d]
	if !known && len(s.days) >= maxDays {
		return
	}
	sum.Add(u.Sum)
	s.days[d] = sum
}

// enter adds to what was used. It returns whether there is room.
func (s *Spending) enter(u Use) bool {
	uses, key := s.uses[u.Hour], u.key()
	was, known := uses[key]
	if !known {
		if s.entries >= maxUses {
			return false
		}
		if uses == nil {
			uses = map[usedIn]Use{}
			s.uses[u.Hour] = uses
		}
		s.entries++
	}
	u.Add(was.Sum)
	uses[key] = u
	return true
}

// day numbers the days of the site's time zone.
func (r *Rules) day(at time.Time) int64 {
	_, offset := at.In(r.Zone).Zone()
	return (at.Unix() + int64(offset)) / 86400
}

// KeepFor is how long what was spent matters.
const KeepFor = (keepDays + 1) * 24 * time.Hour

// Prune forgets what no longer matters. It is to be called once a minute.
func (s *Spending) Prune(now time.Time) {
	hour, today := now.Unix()/3600, s.rules.day(now)
	for h, uses := range s.uses {
		if h > hour-window-1 {
			continue
		}
		if within(h, s.talliedAt) {
			s.finished = nil
		}
		s.entries -= len(uses)
		delete(s.uses, h)
	}
	for d := range s.days {
		if d.day < today-keepDays {
			delete(s.days, d)
		}
	}
	for k, a := range s.raised {
		if a.over(now) {
			delete(s.raised, k)
		}
	}
}

// Usual says whether a place is usual for an account, or is not known yet, before the first
// Check.
func (s *Spending) Usual(account, place string) bool {
	return s.learned == nil || s.learned.usual(account, place)
}

// Forgive has what an account has spent no longer count towards limits: its calls are
// its owner's, or the thief is out. "" is every account, and the site.
func (s *Spending) Forgive(now time.Time, account string) {
	since := now.Unix()/3600 - window - 1
	for _, uses := range s.uses {
		for k, u := range uses {
			if (account == "" || k.account == account) && !k.forgiven {
				delete(uses, k)
				s.entries--
				u.Forgiven = true
				s.enter(u)
			}
		}
	}
	s.finished = nil
	for _, c := range s.calls {
		if account == "" || c.Account == account {
			c.forgiven = now.Round(0)
		}
	}
	for k := range s.raised {
		if account == "" || k.key == (Key{PerAccount, account}) {
			delete(s.raised, k)
		}
	}
	if s.Forgave != nil {
		s.Forgave(account, since)
	}
}

// learnUpTo learns anew once a day, and when the first days of the site are over, at
// learningEnds.
func (s *Spending) learnUpTo(now, learningEnds time.Time) *learned {
	learning := now.Before(learningEnds)
	upTo := s.rules.day(now)
	if !learning {
		upTo = min(upTo, max(s.rules.day(learningEnds), s.rules.day(now.Add(-s.rules.Learn))))
	}
	if s.learned == nil || s.stale || upTo != s.upTo || learning != s.learns {
		s.learned, s.upTo, s.learns, s.stale = learn(s.days, upTo, learning), upTo, learning, false
	}
	return s.learned
}

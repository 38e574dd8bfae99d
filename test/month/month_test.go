package month_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/test/month"
)

// seeds were drawn from the system's random source when this test was written.
var seeds = [20]uint64{
	173212848923239, 224495386051749, 60223808843294, 95994245628808, 175666949115896,
	8372800101772, 128607932014651, 93506614777952, 164893176231701, 55979548587002,
	219366405489693, 260173316045043, 17257014586693, 183767407648308, 183104400797000,
	73472798497633, 232078162998725, 76189858523374, 152081568418783, 150582996726293,
}

// count is how many seeds are played: only one with the race detector, since nothing here
// runs at once.
var count = flag.Int("seeds", len(seeds), "play this many of the 20 seeds")

func chosen() []uint64 {
	if raceDetector || testing.Short() {
		return seeds[:1]
	}
	return seeds[:min(max(*count, 1), len(seeds))]
}

// policy is that of a site's settings, with the defaults for everything else.
func policy(t testing.TB, s month.Site) judge.Policy {
	t.Helper()
	text := "[asterisk]\nusername = \"u\"\nsecret = \"s\"\n" + s.Settings
	if path := os.Getenv("TOLLWARDEN_MONTH_SETTINGS"); path != "" { // to try other thresholds
		more, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text += string(more)
	}
	cfg, err := config.Parse("site.toml", []byte(text), config.Env{Signals: settings.Signals(), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	p, err := settings.Policy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// play plays a site's month with each seed, as many at once as there are processors.
func play(t *testing.T, s month.Site) []*month.Report {
	t.Helper()
	reports := make([]*month.Report, len(chosen()))
	played := t.Run(s.Name, func(t *testing.T) {
		for i, seed := range chosen() {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				r, err := month.Play(s, policy(t, s), seed)
				if err != nil {
					t.Fatal(err)
				}
				reports[i] = r
			})
		}
	})
	if !played {
		t.FailNow()
	}
	return reports
}

// aboutAttacks are the thresholds whose messages are about guessing that really goes on
// in the generated months, or about a phone with an old password.
var aboutAttacks = []string{"guessing campaign", "extension under attack", "slow distributed attack", "wrong passwords for days"}

// messagesAWeek is how many other messages people may get in a week, in the mean of the
// months of a site.
const messagesAWeek = 2

// A month hurts nobody: no address with a healthy phone is blocked, no password is
// changed, no call of an owner is ended, no traveller is shut out.
func TestMonthWithoutAFalseAlarm(t *testing.T) {
	var table sums
	for _, s := range month.Sites() {
		reports := play(t, s)
		table.add(s.Name, reports)
		other := 0
		for _, r := range reports {
			expectNoHarm(t, r)
			other += r.AllMessages()
			for _, threshold := range aboutAttacks {
				other -= r.Messages[threshold]
			}
		}
		if other*7 > messagesAWeek*month.Days*len(reports) {
			t.Errorf("%s: %d messages in %d months that are not about an attack", s.Name, other, len(reports))
		}
	}
	t.Logf("\n%s", table.String())
}

// The call centre's dialers are in no group: people are told, and calls may be ended,
// but no password is changed.
func TestDialersWithoutAGroup(t *testing.T) {
	s := month.WithoutGroups()
	reports := play(t, s)
	for _, r := range reports {
		expectNoHarm(t, r, month.CallEnded)
	}
	var table sums
	table.add(s.Name, reports)
	t.Logf("\n%s", table.String())
}

// In the same month every attack of the suite is stopped, and hurts nobody but its own
// account.
func TestMonthWithAttacks(t *testing.T) {
	s := month.UnderAttack()
	reports := play(t, s)
	stopped, worst := map[string]int{}, map[string]string{}
	var names []string
	for _, r := range reports {
		expectNoHarm(t, r)
		for _, a := range r.Attacks {
			if !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
				worst[a.Name] = a.Detail
			}
			if a.Stopped {
				stopped[a.Name]++
				continue
			}
			worst[a.Name] = a.Detail
			t.Errorf("seed %d: %s: not stopped: %s", r.Seed, a.Name, a.Detail)
		}
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%-62s stopped in %d of %d months; %s\n", name, stopped[name], len(reports), worst[name])
	}
	t.Logf("\n%s", b.String())
	var table sums
	table.add(s.Name, reports)
	t.Logf("\n%s", table.String())
}

func expectNoHarm(t *testing.T, r *month.Report, but ...month.Harm) {
	t.Helper()
	for _, h := range month.Harms() {
		if n := r.Harmed[h]; n > 0 && !h.OwnMistake() && !slices.Contains(but, h) {
			t.Errorf("%s, seed %d: %s: %d", r.Site, r.Seed, h, n)
		}
	}
}

// sums adds up the months of sites.
type sums struct {
	names []string
	list  []*sum
}

type sum struct {
	events, logins, failures, calls, bans, flows, throttled, closed int
	costly                                                          int
	harmed                                                          map[month.Harm]int
	months                                                          map[month.Harm]int // with such a harm
	messages, causes                                                map[string]int
	stories                                                         []string
	wait                                                            time.Duration
	n                                                               int
}

func (s *sums) add(name string, reports []*month.Report) {
	x := &sum{harmed: map[month.Harm]int{}, months: map[month.Harm]int{}, messages: map[string]int{}, causes: map[string]int{}, n: len(reports)}
	for _, r := range reports {
		x.events += r.Events
		x.logins += r.Logins
		x.failures += r.Failures
		x.calls += r.Calls
		x.bans += r.Bans
		x.flows += r.FlowsCut
		x.throttled += r.Throttled
		x.closed += r.Closed
		x.costly += r.CostlyEnded
		x.wait = max(x.wait, r.LongestWait)
		for h, n := range r.Harmed {
			x.harmed[month.Harm(h)] += n
			if n > 0 {
				x.months[month.Harm(h)]++
			}
		}
		for name, n := range r.Messages {
			x.messages[name] += n
		}
		for cause, n := range r.Causes {
			x.causes[cause] += n
		}
		x.stories = append(x.stories, r.Stories...)
	}
	s.names, s.list = append(s.names, name), append(s.list, x)
}

// String is a table with a column for each site, and what brought the harm about.
func (s *sums) String() string {
	var b strings.Builder
	row := func(what string, of func(*sum) string) {
		fmt.Fprintf(&b, "%-44s", what)
		for _, x := range s.list {
			fmt.Fprintf(&b, " %20s", of(x))
		}
		b.WriteString("\n")
	}
	mean := func(of func(*sum) int) func(*sum) string {
		return func(x *sum) string { return fmt.Sprintf("%.0f", float64(of(x))/float64(x.n)) }
	}
	fmt.Fprintf(&b, "%-44s", "a month, in the mean")
	for _, name := range s.names {
		fmt.Fprintf(&b, " %20.20s", name)
	}
	b.WriteString("\n")
	row("events", mean(func(x *sum) int { return x.events }))
	row("logins", mean(func(x *sum) int { return x.logins }))
	row("wrong passwords of the site's own phones", mean(func(x *sum) int { return x.failures }))
	row("calls", mean(func(x *sum) int { return x.calls }))
	row("bans", mean(func(x *sum) int { return x.bans }))
	row("flows cut", mean(func(x *sum) int { return x.flows }))
	row("times closed to new connections", mean(func(x *sum) int { return x.closed }))
	row("times throttled", mean(func(x *sum) int { return x.throttled }))
	b.WriteString("in all months (months that had it)\n")
	for _, h := range month.Harms() {
		row(h.String(), func(x *sum) string { return fmt.Sprintf("%d (%d of %d)", x.harmed[h], x.months[h], x.n) })
	}
	row("calls abroad from a new place ended", func(x *sum) string { return fmt.Sprint(x.costly) })
	row("longest wait of somebody who mistyped", func(x *sum) string { return x.wait.Round(time.Minute).String() })
	row("messages a week and site", func(x *sum) string {
		n := 0
		for _, more := range x.messages {
			n += more
		}
		return fmt.Sprintf("%.1f", float64(n)*7/month.Days/float64(x.n))
	})
	for i, x := range s.list {
		fmt.Fprintf(&b, "%s: causes\n%s", s.names[i], month.Counts(x.causes))
		if testing.Verbose() && os.Getenv("TOLLWARDEN_MONTH_STORIES") != "" {
			fmt.Fprintf(&b, "%s\n", strings.Join(x.stories, "\n"))
		}
	}
	return b.String()
}

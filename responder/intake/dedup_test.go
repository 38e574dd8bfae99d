package intake

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// The sensors see the same guesses; each counts once, however many share one
// Call-ID and whichever sensor is first.
func TestTwoSensorsCountOnce(t *testing.T) {
	for name, c := range map[string]struct{ ami, log, want int }{
		"both see everything":    {10, 10, 10},
		"only the events":        {10, 0, 10},
		"blinded: only the log":  {0, 10, 10},
		"the events lost some":   {4, 10, 10},
		"the log lost some":      {10, 4, 10},
		"nobody saw anything":    {0, 0, 0},
		"one of them saw it all": {1, 10, 10},
	} {
		in, n := New("warden", true), 0
		for i := range max(c.ami, c.log) {
			at := noon.Add(time.Duration(i) * 100 * time.Millisecond)
			if i < c.ami && counts(in, at, SensorAMI, guess("one")) {
				n++
			}
			if i < c.log && counts(in, at.Add(250*time.Millisecond), SensorLog, guess("one")) {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d observations, want %d", name, n, c.want)
		}
	}
}

// Three sensors: NOTICE and SECURITY lines of one file, and the events.
func TestThreeSensorsCountOnce(t *testing.T) {
	in, n := New("warden", true), 0
	for i := range 50 {
		session := fmt.Sprint("call-", i%5)
		for _, s := range []Sensor{SensorLog, SensorSecurityLog, SensorAMI} {
			if counts(in, noon, s, guess(session)) {
				n++
			}
		}
	}
	if n != 50 {
		t.Errorf("%d observations, want 50", n)
	}
}

// In whatever order the sensors report what they saw of some sessions, each
// session counts as often as the sensor that saw most of it saw it.
func TestAnyInterleavingCountsAsTheBestSensor(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		type sighting struct {
			s       Sensor
			session int
		}
		var all []sighting
		want := 0
		for session := range 1 + random.IntN(4) {
			most := 0
			for s := range Sensor(sensors) {
				saw := random.IntN(6)
				most = max(most, saw)
				for range saw {
					all = append(all, sighting{s, session})
				}
			}
			want += most
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		d, got := newDedup(), 0
		for i, x := range all {
			at := noon.Add(time.Duration(i) * sensorLag / time.Duration(len(all)+1))
			if d.first(at, x.s, guess(fmt.Sprint(x.session))) {
				got++
			}
		}
		if got != want {
			t.Fatalf("seed %d: %d count, want %d", seed, got, want)
		}
	}
}

// A sensor that missed much does not hide what comes after the other one has
// fallen silent.
func TestDebtOfSightingsIsForgotten(t *testing.T) {
	in, n := New("warden", true), 0
	for range 100 {
		if counts(in, noon, SensorLog, guess("one")) {
			n++
		}
	}
	for i := range 10 {
		if counts(in, noon.Add(time.Minute+time.Duration(i)*time.Second), SensorAMI, guess("one")) {
			n++
		}
	}
	if n != 110 {
		t.Errorf("%d observations, want 110", n)
	}
}

// What the log shows of attempts on an account that does not exist: two
// requests and one failure each, without the challenge between them.
func TestLogOnlyAttemptsOnUnknownAccountsCountOnce(t *testing.T) {
	in, n := New("warden", true), 0
	for i := range 8 {
		at := noon.Add(time.Duration(i) * time.Second)
		for _, kind := range []event.Kind{event.InvalidAccountID, event.InvalidAccountID, event.ChallengeResponseFailed} {
			if counts(in, at, SensorLog, raised(kind, "one", account("nobody"))) {
				n++
			}
		}
	}
	if n != 8 {
		t.Errorf("%d observations, want 8", n)
	}
}

// Which sightings are of one thing, and which of two.
func TestSessions(t *testing.T) {
	long := string(make([]byte, sessionHead))
	for name, c := range map[string]struct {
		first, second *event.Event
		same          bool
	}{
		"the same":                          {guess("a"), guess("a"), true},
		"another session":                   {guess("a"), guess("b"), false},
		"another address":                   {guess("a"), guess("a", from("203.0.113.8")), false},
		"another kind":                      {guess("a"), raised(event.InvalidAccountID, "a"), false},
		"a session that the log cut off":    {guess(long + "a"), guess(long), true},
		"chan_sip's kinds of failure":       {raised(event.InvalidPassword, "a", service("SIP")), raised(event.InvalidAccountID, "b", service("SIP")), true},
		"chan_sip's success is no failure":  {raised(event.InvalidPassword, "a", service("SIP")), raised(event.SuccessfulAuth, "a", service("SIP")), false},
		"chan_sip and PJSIP at one address": {raised(event.InvalidPassword, "a", service("SIP")), raised(event.InvalidPassword, "a"), false},
	} {
		d := newDedup()
		d.first(noon, SensorAMI, c.first)
		if news := d.first(noon, SensorLog, c.second); news == c.same {
			t.Errorf("%s: news is %t", name, news)
		}
	}
}

func TestSingleSensorSeesOnlyNews(t *testing.T) {
	in := New("warden", false)
	for i := range 5 {
		if !counts(in, noon, SensorAMI, guess("one")) {
			t.Errorf("guess %d does not count", i)
		}
	}
}

func TestLogSensors(t *testing.T) {
	seen := map[Sensor]bool{SensorAMI: true}
	for n := range maxLogs {
		security, plain := LogSensors(n)
		if seen[security] || seen[plain] || security.Plain() || !plain.Plain() || plain >= sensors {
			t.Errorf("log %d has sensors %d and %d", n, security, plain)
		}
		if security.String() != "security log" || plain.String() != "log" {
			t.Errorf("log %d has sensors %s and %s", n, security, plain)
		}
		seen[security], seen[plain] = true, true
	}
	last, _ := LogSensors(maxLogs - 1)
	if more, _ := LogSensors(maxLogs + 5); more != last || SensorAMI.Plain() || SensorAMI.String() != "ami" {
		t.Error("sensors beyond the last log")
	}
}

package orders

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// An order of each kind, against what Asterisk may have in force an hour later.
func TestDecide(t *testing.T) {
	rotate := func() *Order {
		o := New(noon, "1002", Rotate, 41, nil)
		o.Replace([]Fingerprint{"stolen", "older"}, 16)
		o.Set([]Fingerprint{"ours"})
		return o
	}
	failed := func() *Order {
		o := New(noon, "1002", Rotate, 41, errors.New("no space"))
		o.Replace([]Fingerprint{"stolen"}, 16)
		return o
	}
	restrict := func() *Order {
		o := New(noon, "1002", Restrict, 41, nil)
		o.Networks = "198.51.100.0/24 2001:db8::/48"
		return o
	}
	passwords := func(list ...Fingerprint) Live { return Live{Passwords: list} }
	for name, c := range map[string]struct {
		order *Order
		live  Live
		want  Action
		why   string
	}{
		"the new password":                    {rotate(), passwords("ours"), Hold, ""},
		"the old password back":               {rotate(), passwords("stolen"), Repair, "the old password was back"},
		"one from before the old one":         {rotate(), passwords("older"), Repair, "the old password was back"},
		"back on one technology of two":       {rotate(), passwords("ours", "stolen"), Repair, "the old password was back"},
		"a third value":                       {rotate(), passwords("a person's"), End, "it has another password now, which somebody else set"},
		"it cannot be read":                   {rotate(), Live{}, Wait, ""},
		"could not be changed":                {failed(), passwords("stolen"), Repair, "the stolen password is still valid"},
		"could not be, and a person did":      {failed(), passwords("a person's"), End, "it has another password now, which somebody else set"},
		"locked":                              {New(noon, "1002", Lock, 0, nil), Live{Contexts: map[string]string{"PJSIP": LockedContext, "SIP": LockedContext}}, Hold, ""},
		"the lock is gone":                    {New(noon, "1002", Lock, 0, nil), Live{Contexts: map[string]string{"PJSIP": "from-internal"}}, Repair, `its context was "from-internal"`},
		"restricted":                          {restrict(), Live{Permits: map[string]string{"SIP": "198.51.100.0/24 2001:db8::/48"}}, Hold, ""},
		"the restriction is gone":             {restrict(), Live{Permits: map[string]string{"SIP": ""}}, Repair, "everybody could use it"},
		"a person restricts it, too":          {restrict(), Live{Permits: map[string]string{"SIP": "10.0.0.0/8"}}, End, "somebody else changed its deny and permit, which stay"},
		"what only files show was left out":   {restrict(), Live{}, Wait, ""},
		"the account is away for a moment":    {rotate(), Live{Gone: true}, Wait, ""},
		"restricted, and the files unread":    {restrict(), Live{Permits: map[string]string{}}, Wait, ""},
		"locked, but nothing is known of it ": {New(noon, "1002", Lock, 0, nil), Live{Contexts: map[string]string{}}, Wait, ""},
	} {
		if do, why := c.order.Decide(noon.Add(time.Hour), c.live); do != c.want || why != c.why {
			t.Errorf("%s: %v, %q", name, do, why)
		}
	}
}

// Nothing is concluded while a change of ours is under way.
func TestOwnChangesSettle(t *testing.T) {
	o := New(noon, "1002", Lock, 0, nil)
	open := Live{Contexts: map[string]string{"PJSIP": "internal"}}
	for after, want := range map[time.Duration]Action{-time.Second: Wait, 0: Wait, settleFor: Repair} {
		if do, _ := o.Decide(noon.Add(after), open); do != want {
			t.Errorf("read %v after it: %v", after, do)
		}
	}
}

// Another program that fights us gets three repairs within an hour; then a person is called,
// and it is tried again when the hour is over.
func TestThreeRepairsAnHour(t *testing.T) {
	o := New(noon, "1002", Lock, 0, nil)
	open := Live{Contexts: map[string]string{"PJSIP": "internal"}}
	now := noon
	for n := range MaxRepairs {
		now = now.Add(time.Minute)
		do, why := o.Decide(now, open)
		if do != Repair {
			t.Fatalf("repair %d: %v", n, do)
		}
		o.Repaired(now, why)
	}
	now = now.Add(time.Minute)
	do, why := o.Decide(now, open)
	if do != Stop || !strings.Contains(why, "after 3 repairs") {
		t.Fatalf("then %v, %q", do, why)
	}
	if !o.Stopped(now, why) || o.Stopped(now, why) || !o.State.Broken() {
		t.Errorf("a person hears of it other than once; state %s", o.State)
	}
	if do, _ := o.Decide(noon.Add(RepairWindow), open); do != Stop {
		t.Errorf("within the hour: %v", do)
	}
	if do, _ := o.Decide(noon.Add(RepairWindow+time.Minute), open); do != Repair {
		t.Errorf("after the hour: %v", do)
	}
	locked := Live{Contexts: map[string]string{"PJSIP": LockedContext}}
	if do, _ := o.Decide(now, locked); do != Hold || !o.Held(now) || o.Held(now) || o.State != InForce {
		t.Errorf("in force again by itself: %v, %s", do, o.State)
	}
}

// What fails without a reload is tried again for as long as it takes, at longer pauses; what
// fails after one counts as a repair.
func TestFailuresAreRetried(t *testing.T) {
	o := New(noon, "1002", Rotate, 41, errors.New("no space left on device"))
	o.Replace([]Fingerprint{"stolen"}, 16)
	now, tries := noon, 0
	for ; now.Before(noon.Add(3 * time.Hour)); now = now.Add(time.Second) {
		if do, _ := o.Decide(now, Live{Passwords: []Fingerprint{"stolen"}}); do == Repair {
			tries++
			if o.Failed(now, errors.New("no space left on device")) {
				t.Error("a person hears of it again")
			}
		}
	}
	if tries < 15 || tries > 30 || o.State != CannotPutBack {
		t.Errorf("%d tries within three hours; %s", tries, o.State)
	}
	o = New(noon, "1002", Lock, 0, nil)
	now = noon
	for range MaxRepairs {
		now = now.Add(retryAtMost)
		o.Failed(now, AfterReload(errors.New("does not show it")))
	}
	if do, _ := o.Decide(now.Add(retryAtMost), Live{Contexts: map[string]string{"PJSIP": "internal"}}); do != Stop {
		t.Errorf("after three reloads in vain: %v", do)
	}
}

// A password of ours that was stolen, too, and cannot be replaced is not in force as ordered;
// neither is an old one that another program brought back while ours was checked.
func TestStolenAgain(t *testing.T) {
	ordered := func() *Order {
		o := New(noon, "1002", Rotate, 41, nil)
		o.Replace([]Fingerprint{"stolen"}, 16)
		o.Set([]Fingerprint{"ours"})
		return o
	}
	failed := ordered()
	failed.Failed(noon, errors.New("no space left on device"))
	failed.Replace([]Fingerprint{"ours"}, 16)
	overtaken := ordered()
	overtaken.Set([]Fingerprint{"stolen"})
	restored, unread := ordered(), ordered()
	restored.Restored([]Fingerprint{"stolen"}, 16)
	unread.Restored(nil, 16)
	for name, c := range map[string]struct {
		order *Order
		live  Fingerprint
		want  Action
	}{
		"ours was stolen":                {failed, "ours", Repair},
		"and the older one is back":      {failed, "stolen", Repair},
		"another program was faster":     {overtaken, "stolen", Repair},
		"and faster than a repair":       {restored, "stolen", Repair},
		"which comes to hold after all":  {restored, "ours", Hold},
		"a repair that cannot be read":   {unread, "ours", Hold},
		"a person chooses one after all": {restored, "a person's", End},
	} {
		if do, why := c.order.Decide(noon.Add(time.Hour), Live{Passwords: []Fingerprint{c.live}}); do != c.want {
			t.Errorf("%s: %v, %q", name, do, why)
		}
	}
}

// Repairs that a wrong clock dated in the future count no longer once it is right.
func TestRepairsOfAWrongClock(t *testing.T) {
	o := New(noon, "1002", Lock, 0, nil)
	for range MaxRepairs {
		o.Again(noon.Add(1000 * time.Hour))
	}
	if do, why := o.Decide(noon.Add(time.Minute), Live{Contexts: map[string]string{"PJSIP": "internal"}}); do != Repair {
		t.Errorf("%v, %q", do, why)
	}
}

// An account is gone if it is missing for longer than a reload takes.
func TestAccountGone(t *testing.T) {
	o := New(noon, "1002", Lock, 0, nil)
	now := noon.Add(time.Hour)
	for _, c := range []struct {
		after time.Duration
		gone  bool
		want  Action
	}{{0, true, Wait}, {20 * time.Second, true, Wait}, {25 * time.Second, false, Hold}, {40 * time.Second, true, Wait}, {71 * time.Second, true, RemoveTraces}} {
		if do, _ := o.Decide(now.Add(c.after), Live{Gone: c.gone, Contexts: map[string]string{"PJSIP": LockedContext}}); do != c.want {
			t.Errorf("after %v: %v", c.after, do)
		}
	}
}

// A password that was set but could not be read back is taken from the next look, unless the
// old one shows then.
func TestUnreadPasswordIsAdopted(t *testing.T) {
	for live, want := range map[Fingerprint]Action{"ours": Hold, "stolen": Repair} {
		o := New(noon, "1002", Rotate, 41, nil)
		o.Replace([]Fingerprint{"stolen"}, 16)
		o.Set(nil)
		if do, why := o.Decide(noon.Add(time.Minute), Live{Passwords: []Fingerprint{live}}); do != want {
			t.Errorf("%s: %v, %q", live, do, why)
		}
	}
}

// A key that was lost is no person's change: what is in force counts from then on.
func TestLostKey(t *testing.T) {
	before, after := NewKey([]byte("before")), NewKey([]byte("after"))
	o := New(noon, "1002", Rotate, 41, nil)
	o.Replace([]Fingerprint{before.Sum("stolen")}, 16)
	o.Set([]Fingerprint{before.Sum("ours")})
	if do, why := o.Decide(noon.Add(time.Hour), Live{Passwords: []Fingerprint{after.Sum("ours")}}); do != Hold {
		t.Errorf("%v, %q", do, why)
	}
	if do, _ := o.Decide(noon.Add(2*time.Hour), Live{Passwords: []Fingerprint{after.Sum("a person's")}}); do != End {
		t.Errorf("then a person changes it: %v", do)
	}
}

// One that could not be changed when the key was lost is still to be changed.
func TestLostKeyOfAStolenPassword(t *testing.T) {
	o := New(noon, "1002", Rotate, 41, errors.New("no space"))
	o.Replace([]Fingerprint{NewKey([]byte("before")).Sum("stolen")}, 16)
	if do, why := o.Decide(noon.Add(time.Hour), Live{Passwords: []Fingerprint{NewKey([]byte("after")).Sum("stolen")}}); do != Repair {
		t.Errorf("%v, %q", do, why)
	}
}

// Passwords are recognised with the key alone.
func TestFingerprint(t *testing.T) {
	secret := []byte("a secret of this machine")
	k, again := NewKey(secret), NewKey(secret)
	sum := string(k.Sum("hunter2"))
	if again.Sum("hunter2") != k.Sum("hunter2") || k.Sum("hunter3") == k.Sum("hunter2") || NewKey([]byte("another")).Sum("hunter2") == k.Sum("hunter2") || strings.Contains(sum, "hunter2") || len(sum) != 9+2*KeySize {
		t.Errorf("fingerprint %q", sum)
	}
	list := []Fingerprint{"bb", "aa", "bb"}
	if got := Text(ParseText(Text(list))); got != "aa bb" {
		t.Errorf("kept as %q", got)
	}
}

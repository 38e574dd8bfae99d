package intake

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// login is a security event of a login to the manager interface.
func login(kind event.Kind, name string) *event.Event {
	return raised(kind, "0x7f0000000001", account(name), service("AMI"), over(event.TCP), from("198.51.100.77"))
}

func isHeard(heard <-chan struct{}) bool {
	select {
	case <-heard:
		return true
	default:
		return false
	}
}

// A canary that Asterisk raised is heard, and no score counts it: not even one
// that comes late, nor one that comes a hundred times.
func TestCanaryIsHeardAndNotScored(t *testing.T) {
	in := New("warden", false)
	late, _ := in.Canaries.New()
	name, heard := in.Canaries.New()
	if !strings.HasPrefix(late, CanaryName) || late == name {
		t.Fatalf("names %q, %q", late, name)
	}
	for range 100 {
		if counts(in, noon, SensorAMI, login(event.InvalidAccountID, late)) {
			t.Fatal("a late canary is scored")
		}
	}
	if isHeard(heard) {
		t.Fatal("a late canary was taken for the present one")
	}
	if counts(in, noon, SensorAMI, login(event.InvalidAccountID, name)) || !isHeard(heard) {
		t.Fatal("the canary was not heard, or is scored")
	}
	if in.Canaries.HeardAt(SensorAMI) != noon || !in.Canaries.HeardAt(SensorLog).IsZero() {
		t.Error("the wrong sensor heard it")
	}
	if counts(in, noon, SensorSecurityLog, login(event.InvalidAccountID, name)) || in.Canaries.HeardAt(SensorSecurityLog) != noon {
		t.Error("the log's canary is scored, or was not heard")
	}
	for range len(in.Canaries.names) {
		in.Canaries.New()
	}
	if !counts(in, noon, SensorAMI, login(event.InvalidAccountID, late)) {
		t.Error("a name is a canary's for ever")
	}
}

// Nobody hides behind the name: what was not made up here is scored.
func TestFalseCanaryIsScored(t *testing.T) {
	in := New("warden", false)
	name, heard := in.Canaries.New()
	for i := range 5 {
		if !counts(in, noon, SensorAMI, login(event.InvalidAccountID, fmt.Sprintf("%sGUESS%d", CanaryName, i))) {
			t.Error("a false canary is not scored")
		}
	}
	if !counts(in, noon, SensorAMI, raised(event.InvalidAccountID, "s", account(name))) {
		t.Error("a SIP attempt with a canary's name is not scored")
	}
	if isHeard(heard) {
		t.Error("a false canary was believed")
	}
}

// An action that Asterisk does not know is a canary if we sent it over our session; another
// user's is scored, whatever it is called.
func TestActionIsACanary(t *testing.T) {
	action := func(user, name string) *event.Event {
		e := login(event.RequestBadFormat, user)
		e.RequestType = []byte("Action: " + name)
		return e
	}
	in := New("warden", false)
	name, heard := in.Canaries.New()
	for what, e := range map[string]*event.Event{
		"another user's": action("admin", name), "made up by somebody": action("warden", CanaryName+"GUESS"), "another action": action("warden", "Frobnicate"),
	} {
		if !counts(in, noon, SensorAMI, e) || isHeard(heard) {
			t.Errorf("%s is not scored, or was taken for a canary", what)
		}
	}
	if counts(in, noon, SensorAMI, action("warden", name)) || !isHeard(heard) {
		t.Error("our own was not heard, or is scored")
	}
}

// Our own login is a canary, too; another's is none.
func TestOwnLoginIsACanary(t *testing.T) {
	in := New("warden", false)
	in.SetOwn(netip.MustParseAddr("198.51.100.77"))
	heard := in.Canaries.NewOwn()
	if !counts(in, noon, SensorAMI, login(event.SuccessfulAuth, "somebody")) || isHeard(heard) {
		t.Fatal("another's login was taken for ours")
	}
	if counts(in, noon, SensorAMI, login(event.SuccessfulAuth, "warden")) || !isHeard(heard) {
		t.Error("our own login was not heard, or is scored")
	}
}

// What comes from our own sessions is no observation; with our name from
// elsewhere it is.
func TestOwnSessions(t *testing.T) {
	in := New("warden", false)
	in.SetOwn(netip.MustParseAddr("198.51.100.77"))
	elsewhere := from("192.0.2.66")
	for name, c := range map[string]struct {
		e    *event.Event
		want bool
	}{
		"our own login":                       {login(event.SuccessfulAuth, "warden"), false},
		"our own wrong password":              {login(event.InvalidPassword, "warden"), false},
		"a canary of a process before us":     {login(event.InvalidAccountID, CanaryName+"OLD"), false},
		"another account from our address":    {login(event.InvalidPassword, "admin"), true},
		"a SIP account of our name":           {raised(event.InvalidPassword, "s", account("warden"), from("198.51.100.77")), true},
		"our name from elsewhere":             {raised(event.InvalidPassword, "s", account("warden"), service("AMI"), elsewhere), true},
		"somebody else's guess at who we are": {raised(event.InvalidAccountID, "s", account(CanaryName+"X"), service("AMI"), elsewhere), true},
	} {
		if got := counts(in, noon, SensorAMI, c.e); got != c.want {
			t.Errorf("%s counts: %t", name, got)
		}
	}
}

// A guess of our own over SIP is seen by the event session and scored by none. Its name is
// no canary's, and another name is no guess's.
func TestOwnGuessIsSeenAndNotScored(t *testing.T) {
	in := New("warden", false)
	own := netip.MustParseAddr("127.0.0.1")
	name, seen := in.Canaries.NewGuess(noon, []netip.Addr{own})
	if len(name) > 36 {
		t.Errorf("res_pjsip cuts %q", name)
	}
	guess := func(name string) *event.Event {
		return raised(event.InvalidAccountID, "s", account(name), from(own.String()))
	}
	if counts(in, noon, SensorLog, guess(name)) || isHeard(seen) {
		t.Error("the log's line is scored, or taken for the event")
	}
	for range 3 {
		if counts(in, noon, SensorAMI, guess(name)) || !isHeard(seen) {
			t.Error("the guess is scored, or was not seen")
		}
	}
	asked, seen := in.Canaries.NewGuess(noon, []netip.Addr{own})
	if counts(in, noon, SensorAMI, raised(event.ChallengeSent, "s", account(asked), service("SIP"), from(own.String()))) || !isHeard(seen) {
		t.Error("chan_sip's challenge of a guess is scored, or was not seen")
	}
	if !counts(in, noon, SensorAMI, guess(name+"X")) || !counts(in, noon, SensorAMI, guess(CanaryName+"X")) {
		t.Error("another name is not scored")
	}
	canary, _ := in.Canaries.New()
	if !counts(in, noon, SensorAMI, guess(canary)) {
		t.Error("a canary of the manager interface is taken for a guess")
	}
}

// Whoever has read the name of a guess in a log is scored like anybody else: from another
// address, later, and for a wrong password of a real extension, since chan_sip names the number
// that was dialled.
func TestNobodyHidesBehindAGuess(t *testing.T) {
	own := netip.MustParseAddr("192.0.2.1")
	for what, e := range map[string]struct {
		after time.Duration
		kind  event.Kind
		from  netip.Addr
	}{
		"from elsewhere":           {time.Second, event.InvalidAccountID, netip.MustParseAddr("203.0.113.7")},
		"later":                    {2 * guessLasts, event.InvalidAccountID, own},
		"a wrong password":         {time.Second, event.InvalidPassword, own},
		"a wrong response":         {time.Second, event.ChallengeResponseFailed, own},
		"a wrong password, abroad": {time.Second, event.InvalidPassword, netip.MustParseAddr("203.0.113.7")},
	} {
		for _, s := range []Sensor{SensorAMI, SensorSecurityLog, SensorLog} {
			in := New("warden", false)
			name, seen := in.Canaries.NewGuess(noon, []netip.Addr{own})
			if !counts(in, noon.Add(e.after), s, raised(e.kind, "s", account(name), service("SIP"), from(e.from.String()))) || isHeard(seen) {
				t.Errorf("%s is not scored by the %s, or was taken for ours", what, s)
			}
		}
	}
}

package responder

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// After a change of secret a person hears whose phones need it: those where the
// account is at home, not the thief's, who had the right password too.
func TestHomes(t *testing.T) {
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := New(noon, Policy{Observe: true}, Parts{Ledger: l, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		if got := r.homes(noon, "1002"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	says("where its phones are is not known")

	office, thief := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("192.0.2.66")
	r.breakIn.Know("1002", office, noon.Add(-time.Hour))
	r.breakIn.Know("1002", thief, noon)
	r.agents.learn([]Contact{{Account: "1002", Source: office, Agent: "Yealink\r\nBcc: x" + strings.Repeat("y", 200)}})
	phone := `198.51.100.10 (User-Agent "Yealink\r\nBcc: x` + strings.Repeat("y", maxAgent-15) + `")`
	says("its phones that need the new secret were last seen at 192.0.2.66, " + phone)
	r.calls.Recall(noon, []calls.Habit{{Account: "1002", Kind: calls.HabitNetwork, Value: "198.51.100.0/24", First: noon.Add(-90 * 24 * time.Hour), Last: noon}})
	says("its phones that need the new secret were last seen at " + phone)
	r.calls.Recall(noon, []calls.Habit{{Account: "1002", Kind: calls.HabitNetwork, Value: "192.0.2.0/24", First: noon.Add(-90 * 24 * time.Hour), Last: noon}})
	r.book.put(Ban{Prefix: netip.PrefixFrom(thief, 32), Since: noon, Until: noon.Add(time.Hour)})
	says("its phones that need the new secret were last seen at " + phone)
	for i := range 10 {
		r.breakIn.Know("1002", netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", 20+i)), noon.Add(time.Duration(i)*time.Minute-20*time.Minute))
	}
	says("its phones that need the new secret were last seen at 198.51.100.29, 198.51.100.28, 198.51.100.27, 198.51.100.26, 198.51.100.25 and 6 more")
}

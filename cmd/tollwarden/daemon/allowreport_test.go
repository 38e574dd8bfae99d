package daemon

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A reload says which entries of the allow list are not in force, and why. Whoever reads only
// "is in force" would believe that a home is protected that is not.
func TestReloadListsWhatIsNotInForce(t *testing.T) {
	s := newStoppedSite(t, "")
	led := map[string][]netip.Addr{"office.example.org": addrs("203.0.113.7")}
	s.daemon.config.names.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		if list := led[name]; list != nil {
			return list, nil
		}
		return nil, errors.New("no such host")
	}
	reload := func() string {
		t.Helper()
		message, err := s.daemon.config.reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	s.configure("[firewall]\nallow = [\"8.0.0.0/8\", \"198.51.100.0/24\", \"192.0.2.7 until 2020-01-31\", \"home.example.org\", \"office.example.org\"]\n")
	writeFile(t, s.dir+"/allow", "9.0.0.0/8 # from an older version\n")
	const want = ` is in force, but not these entries of the allow list:
  8.0.0.0/8: 8.0.0.0/8 covers more of the internet than a /16, so many attackers could never be blocked: replace it with smaller networks, or write "8.0.0.0/8 force"
  192.0.2.7: it ended at 2020-01-31 00:00:00 UTC
  home.example.org: no such host: it is resolved again every minute
  9.0.0.0/8: 9.0.0.0/8 covers more of the internet than a /16, so many attackers could never be blocked: replace it with smaller networks, or write "9.0.0.0/8 force"`
	if got := reload(); got != s.file()+want {
		t.Errorf("%s", got)
	}
	if got := s.log.String(); !strings.Contains(got, `"not_in_force":["8.0.0.0/8: `) {
		t.Errorf("the log, for a SIGHUP:\n%s", got)
	}
	known := func() (list []string) {
		for _, p := range s.daemon.config.names.places(s.daemon.config.allow.names(time.Now())) {
			list = append(list, p.Prefix.String())
		}
		return list
	}
	if got := strings.Join(known(), " "); got != "203.0.113.7/32" {
		t.Errorf("known: %s", got)
	}
	led["home.example.org"] = addrs("203.0.113.9")
	s.configure("[firewall]\nallow = [\"home.example.org\", \"198.51.100.0/24\"]\n")
	writeFile(t, s.dir+"/allow", "")
	if got := reload(); got != s.file()+" is in force" {
		t.Errorf("%s", got)
	}
	if got := strings.Join(known(), " "); got != "203.0.113.9/32" {
		t.Errorf("known: %s", got)
	}
	if changed, err := s.daemon.api.Reload(0); err != nil || changed.Message != s.file()+" is in force" || len(s.daemon.config.notInForce(time.Now())) > 0 {
		t.Errorf("%+v, %v", changed, err)
	}
}

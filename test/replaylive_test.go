package test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// A replay of Asterisk's log says what the daemon did with the same attack: the same bans,
// as long and as wide, and the same incidents.
func TestReplayDoesAsTheDaemon(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22, Files: map[string]string{"logger.conf": withSecurity}})
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	log := l.Path("/var/log/asterisk/messages")
	w.write("", lab.AMIUser, lab.AMISecret, fmt.Sprintf("log = %q\n", log))
	t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", w.log)
		}
	})
	w.start()

	guesser := netip.MustParsePrefix("192.0.2.66/32")
	g := lab.Guesser{Host: addHost(t, l, "guesser", guesser.Addr().String()), Account: "1002", Rate: 10, Most: 20, Ask: true}
	if _, err := g.Run(soon(t)); err != nil {
		t.Fatal(err)
	}
	w.wait("the guesser's ban", 5*time.Second, func() bool { return w.dropped(guesser.String()) })
	scanner := netip.MustParsePrefix("192.0.2.67/32")
	g = lab.Guesser{Host: addHost(t, l, "scanner", scanner.Addr().String()), Account: "nobody", Rate: 10, Most: 30, Ask: true}
	if _, err := g.Run(soon(t)); err != nil {
		t.Fatal(err)
	}
	w.wait("the scanner's ban", 5*time.Second, func() bool { return w.dropped(scanner.String()) })
	phone := addPhone(t, addHost(t, l, "typist", "192.0.2.68"), "1004") // too few wrong passwords for a ban
	phone.SetPassword("wrong")
	_ = phone.Register(soon(t))
	phone.SetPassword(lab.Passwords["1004"])
	register(t, phone)

	live, err := w.client().Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, b := range live {
		did = append(did, banWords(b))
	}
	var happened []string
	for _, i := range w.incidents() {
		happened = append(happened, incidentWords(i))
	}
	w.stop(syscall.SIGTERM)

	out, err := w.tollwarden("replay", "--json", "-c", w.config(), log)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var said struct {
		Bans      []incident.Ban
		Incidents []incident.Incident
		Files     []struct{ Read, Damaged int }
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var would, would2 []string
	for _, b := range said.Bans {
		would = append(would, banWords(b))
	}
	for _, i := range said.Incidents {
		would2 = append(would2, incidentWords(i))
	}
	for _, list := range [][]string{did, would, happened, would2} {
		slices.Sort(list)
	}
	if !slices.Equal(did, would) || len(did) != 2 {
		t.Errorf("bans\nlive\n%s\nreplay of %s\n%s", strings.Join(did, "\n"), filepath.Base(log), strings.Join(would, "\n"))
	}
	if !slices.Equal(happened, would2) {
		t.Errorf("incidents\nlive\n%s\nreplay\n%s", strings.Join(happened, "\n"), strings.Join(would2, "\n"))
	}
	t.Logf("bans:\n%s\nincidents:\n%s", strings.Join(did, "\n"), strings.Join(happened, "\n"))
}

// banWords is what a ban is about, without when it began.
func banWords(b incident.Ban) string {
	lasts := "forever"
	if !b.Until.IsZero() {
		lasts = b.Until.Sub(b.Since).Round(time.Second).String()
	}
	return fmt.Sprintf("%s for %s, scope %q, offence %d", b.Prefix, lasts, b.Scope, b.Offence)
}

// incidentWords is what an incident is about, without what was counted after it.
func incidentWords(i incident.Incident) string {
	steps := make([]string, len(i.Steps))
	for n, s := range i.Steps {
		steps[n] = string(s.Step)
	}
	return fmt.Sprintf("%s of %s, account %q: %s", i.Threshold, i.Key, i.Account, strings.Join(steps, " "))
}

package test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// A changed [calls] section is in force for the next call, and the reload keeps
// what is known: the calls that are up, those of the last minute, the countries
// called before, and the scores.
func TestCallsSurviveAReload(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	const two = "[[threshold]]\nname = \"two\"\nper = \"account\"\nsignals = { NewCountry = 1 }\nscore = 2\nwithin = \"1h\"\nplaybook = \"notify\"\n"
	settings := func(calls string) string {
		return "[calls]\nlearn = \"1s\"\ngap = \"off\"\n" + calls + two + eachSignal()
	}
	w := guardWith(t, l, settings("rate = 100\nconcurrent = 50\n"))
	time.Sleep(time.Second) // until it has learned: before, nothing counts as new
	p := addPhone(t, addHost(t, l, "desk", "198.51.100.10"), "1002")
	register(t, p)
	call := func(number string) {
		t.Helper()
		if _, err := p.Call(soon(t), number); err != nil {
			t.Fatal(err)
		}
	}
	reasons := func(threshold string) (list []string) {
		for _, i := range w.incidents() {
			if crosses(i, threshold) {
				list = append(list, i.Reason)
			}
		}
		return list
	}
	wants := func(threshold, part string) {
		t.Helper()
		w.wait(threshold+": "+part, 3*time.Second, func() bool { return strings.Contains(strings.Join(reasons(threshold), "\n"), part) })
	}
	call("00442079460001")
	call("00442079460002")
	wants("NewCountry", "United Kingdom")
	for _, s := range []string{"CallRate", "ConcurrentCalls", "ForbiddenDestination", "two"} {
		if said := reasons(s); len(said) > 0 {
			t.Fatalf("before the reload, %s: %s", s, said)
		}
	}

	w.configure(settings("rate = 3\nconcurrent = 2\ndeny = [\"FR\"]\n"))
	if out, err := w.tollwarden("reload", "--socket", w.socket()); err != nil {
		t.Fatalf("reload: %v: %s", err, out)
	}
	call("00442079460003")
	wants("CallRate", "call 3 within a minute")
	wants("ConcurrentCalls", "3 calls at once")
	if said := strings.Join(reasons("two"), "\n"); said != "" {
		t.Errorf("a country called before the reload is new: %s", said)
	}
	call("0033142685300")
	wants("ForbiddenDestination", "France")
	wants("two", "France")
}

package test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// forwarding sends callers of 1004 and 1005 on to outside numbers, as a call forward in
// the PBX does.
const forwarding = routes + `[internal](+)
exten => 1004,1,Dial(Local/00442079460004@internal/n,10)
 same => n,Hangup()
exten => 1005,1,Dial(Local/00881612345678@internal/n,10)
 same => n,Hangup()
exten => 77,1,Dial(${TECHNOLOGY}/00881612345678@carrier,10)
 same => n,Hangup()
exten => *72,1,Answer()
 same => n,Set(DB(CF/${CALLERID(num)})=00881612345678)
 same => n,Hangup()
`

// endsForbidden is onlyForbidden for calls that no phone sets up, too.
const endsForbidden = onlyForbidden + `
[[threshold]]
name = "forbidden destination of the PBX"
per = "origin"
signals = { ForbiddenDestination = 1 }
score = 1
within = "1m"
playbook = "end call"
[[threshold]]
name = "forward to a costly number"
per = "account"
signals = { CostlyForward = 1 }
score = 1
within = "1m"
playbook = "notify only"
[[playbook]]
name = "notify only"
steps = ["notify"]
`

// A call that leaves for a forbidden number is ended at the leg to the trunk, before that
// answers, whoever set it up: a forward for callers from outside, the PBX itself, a short
// code. Such calls within the country stand.
func TestLegsToATrunkAreEnded(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22, Append: map[string]string{
		"extensions.conf": forwarding, "pjsip.conf": carriers[lab.Asterisk22]["pjsip.conf"], "modules.conf": "load = res_clioriginate.so\n",
		"manager.conf": "[general](+)\ntimestampevents = yes\n",
	}})
	carrier, err := addHost(t, l, "carrier", trunkAddress).Phone("carrier", "none", lab.PhoneOptions{Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = carrier.Close() })
	var answered atomic.Int64
	go func() {
		for range carrier.Incoming() {
			answered.Add(1)
		}
	}()
	phone := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1002")
	register(t, phone)
	w := guardWith(t, l, endsForbidden)
	watch := watchLegs(t, l)
	originate := func(to string) error {
		_, err := l.CLI(t.Context(), "channel originate "+to+" application Wait 5")
		return err
	}
	carrier.Ring(time.Second) // as a carrier abroad takes at least
	const calls = 5
	for way, call := range map[string]func() error{
		"a forward for a caller from outside": func() error { _, _ = carrier.Call(soon(t), "1005"); return nil }, // the PBX ends it
		"the PBX, to the trunk":               func() error { return originate("PJSIP/00881612345678@carrier") },
		"the PBX, through the dialplan":       func() error { return originate("Local/00881612345678@internal") },
		"a short code":                        func() error { _, _ = phone.Call(soon(t), "77"); return nil },
	} {
		for range calls {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		w.wait(way+": the end of every leg", 5*time.Second, func() bool { return watch.over() })
		t.Logf("%s: from DialBegin to Hangup %s", way, watch.distribution())
	}
	if n := answered.Load(); n > 0 {
		t.Errorf("%d calls were answered", n)
	}
	carrier.Ring(0)
	if _, err := carrier.Call(soon(t), "1004"); err != nil {
		t.Errorf("a forward within the country: %v", err)
	}
	if err := originate("Local/00442079460005@internal"); err != nil {
		t.Error(err)
	}
	w.wait("the answers to calls within the country", 5*time.Second, func() bool { return answered.Load() >= 2 })
	time.Sleep(300 * time.Millisecond) // in which a call would be ended
	out, err := l.CLI(t.Context(), "core show channels concise")
	if err != nil || strings.Count("\n"+out, "\nPJSIP/carrier-") != 3 { // the caller, and two legs
		t.Errorf("calls within the country: %v\n%s", err, out)
	}
	forwardsAreReported(t, w, phone)
}

// forwardsAreReported sets call forwards by a feature code and over the manager interface, of
// which Asterisk raises no event. Those to a costly number are reported before anybody calls.
func forwardsAreReported(t *testing.T, w *warden, phone *lab.Phone) {
	t.Helper()
	conn, err := w.lab.PBX.Dial(t.Context(), "tcp", lab.AMIAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\n\r\n", lab.AMIUser, lab.AMISecret)
	for account, number := range map[string]string{"1001": "1003", "1003": "00881612345678"} {
		fmt.Fprintf(conn, "Action: DBPut\r\nFamily: CF\r\nKey: %s\r\nVal: %s\r\n\r\n", account, number)
	}
	if _, err := phone.Call(soon(t), "*72"); err != nil {
		t.Error(err)
	}
	reasons := func() (found map[string]string) {
		found = map[string]string{}
		for _, i := range w.incidents() {
			if i.Threshold == "forward to a costly number" {
				found[i.Account] = i.Reason
			}
		}
		return found
	}
	w.wait("the forwards of 1002 and 1003", 15*time.Second, func() bool { return len(reasons()) == 2 })
	got := reasons()
	for account, want := range map[string]string{
		"1002": "all calls of 1002 are forwarded to 00881612345678, forbidden (satellite); set within the last 10s, after its phone dialled *72",
		"1003": "all calls of 1003 are forwarded to 00881612345678, forbidden (satellite); set within the last 10s, and not by a code",
	} {
		if !strings.Contains(got[account], want) {
			t.Errorf("the forward of %s: %q, want %q", account, got[account], want)
		}
	}
}

// legWatch measures how long legs to the carrier last, by the times in Asterisk's events.
type legWatch struct {
	mu    sync.Mutex
	began map[string]float64
	took  []time.Duration
}

func watchLegs(t *testing.T, l *lab.Lab) *legWatch {
	t.Helper()
	conn, err := l.PBX.Dial(t.Context(), "tcp", lab.AMIAddress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\n\r\n", lab.WatcherUser, lab.WatcherSecret)
	w := &legWatch{began: map[string]float64{}}
	go w.read(conn)
	return w
}

func (w *legWatch) read(conn net.Conn) {
	event, channel, at := "", "", 0.0
	for s := bufio.NewScanner(conn); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ": ")
		switch name {
		case "Event":
			event, channel = value, ""
		case "Timestamp":
			at, _ = strconv.ParseFloat(value, 64)
		case "DestChannel", "Channel":
			if event == "DialBegin" && name == "DestChannel" || event == "Hangup" {
				channel = value
			}
		case "":
			w.note(event, channel, at)
		}
	}
}

func (w *legWatch) note(event, channel string, at float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	began, up := w.began[channel]
	switch {
	case event == "DialBegin" && strings.HasPrefix(channel, "PJSIP/carrier-"):
		w.began[channel] = at
	case event == "Hangup" && up:
		w.took = append(w.took, time.Duration((at-began)*float64(time.Second)))
		delete(w.began, channel)
	}
}

// over says whether legs were dialled, and all of them have ended.
func (w *legWatch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.took) > 0 && len(w.began) == 0
}

// distribution says how long the legs lasted since the last time.
func (w *legWatch) distribution() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.took)
	n := len(w.took)
	at := func(i int) time.Duration { return w.took[i].Round(100 * time.Microsecond) }
	text := fmt.Sprintf("of %d legs: median %s, 90%% %s, longest %s", n, at(n/2), at(n*9/10), at(n-1))
	w.took = nil
	return text
}

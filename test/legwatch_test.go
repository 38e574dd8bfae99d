package test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// leg is a call to the carrier, by Asterisk's events.
type leg struct {
	channel, dialString string
	took                time.Duration // from DialBegin to Hangup; 0 while it is up
	answered            bool          // by Asterisk
}

// legWatch follows the legs to the carrier, by the times in Asterisk's events.
type legWatch struct {
	mu    sync.Mutex
	began map[string]float64
	legs  []leg
}

// manager logs in to the manager interface.
func manager(t *testing.T, l *lab.Lab, user, secret string) net.Conn {
	t.Helper()
	conn, err := l.PBX.Dial(t.Context(), "tcp", lab.AMIAddress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\n\r\n", user, secret)
	return conn
}

func watchLegs(t *testing.T, l *lab.Lab) *legWatch {
	t.Helper()
	w := &legWatch{began: map[string]float64{}}
	go w.read(manager(t, l, lab.WatcherUser, lab.WatcherSecret))
	return w
}

func (w *legWatch) read(conn net.Conn) {
	block := map[string]string{}
	for s := bufio.NewScanner(conn); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ": "); ok {
			block[name] = value
		} else if s.Text() == "" {
			w.note(block)
			clear(block)
		}
	}
}

func (w *legWatch) note(e map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, _ := strconv.ParseFloat(e["Timestamp"], 64)
	switch e["Event"] {
	case "DialBegin":
		if name := e["DestChannel"]; strings.Contains(name, "/carrier-") {
			w.began[name] = at
			w.legs = append(w.legs, leg{channel: name, dialString: e["DialString"]})
		}
	case "Newstate", "Hangup":
		i := slices.IndexFunc(w.legs, func(l leg) bool { return l.channel == e["Channel"] })
		if i < 0 {
			return
		}
		if e["Event"] == "Hangup" {
			w.legs[i].took = max(time.Duration((at-w.began[e["Channel"]])*float64(time.Second)), 1)
		} else if e["ChannelStateDesc"] == "Up" {
			w.legs[i].answered = true
		}
	}
}

// since are the legs from the n-th on.
func (w *legWatch) since(n int) []leg {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.legs[n:])
}

// distribution says how long legs lasted.
func distribution(legs []leg) string {
	took := make([]time.Duration, len(legs))
	for i, l := range legs {
		took[i] = l.took
	}
	if len(took) == 0 {
		return "no leg"
	}
	slices.Sort(took)
	n := len(took)
	at := func(i int) time.Duration { return took[i].Round(100 * time.Microsecond) }
	return fmt.Sprintf("%d legs: median %s, 90%% %s, 99%% %s, longest %s", n, at(n/2), at(n*9/10), at(n*99/100), at(n-1))
}

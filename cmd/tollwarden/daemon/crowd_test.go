package daemon

import (
	"strings"
	"testing"
)

// Connections are counted once each, by the user who holds them or the machine they come
// from; ours, and those of other ports and other states, are not.
func TestWhoIsConnectedToTheManagerPort(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	line := func(local, remote, state, uid, inode string) string {
		return "   0: " + local + " " + remote + " " + state + " 00000000:00000000 00:00000000 00000000  " + uid + "        0 " + inode + " 1 0000 20 4 30 10 -1\n"
	}
	manager := "0100007F:13AE" // 127.0.0.1:5038
	text := head +
		line("0100007F:13AE", "00000000:0000", "0A", "100", "1") + // it listens
		line("0100007F:C001", manager, "01", "33", "11") + line(manager, "0100007F:C001", "01", "100", "12") +
		line("0100007F:C002", manager, "01", "33", "13") + line(manager, "0100007F:C002", "01", "100", "14") +
		line("0100007F:C003", manager, "01", "0", "15") + line(manager, "0100007F:C003", "01", "100", "16") + // ours
		line("0100007F:C004", manager, "06", "0", "17") + // it ended
		line("0100007F:C005", "0100007F:0050", "01", "33", "18") +
		line("0A0200C0:13AE", "077100CB:9C40", "01", "100", "19") // 203.0.113.7
	v6 := head + line("00000000000000000000000001000000:C006", "00000000000000000000000001000000:13AE", "01", "1000", "20") +
		line("0000000000000000FFFF00000100007F:13AE", "0000000000000000FFFF00000100007F:C001", "01", "100", "21") // the end of a counted one
	table := append(parseConnections([]byte(text)), parseConnections([]byte(v6))...)
	got := crowdWords(table, 5038, map[string]bool{"15": true}, func(uid string) string { return "uid " + uid })
	if want := "2 connections by uid 33, 1 connection by uid 1000, 1 connection from 203.0.113.7"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := crowdWords(nil, 5038, nil, userName); got != "" {
		t.Errorf("nobody is connected: %q", got)
	}
	if got := userName("0"); got != "user root" {
		t.Errorf("uid 0 is %q", got)
	}
	for _, hostile := range []string{"x", "0100007F", "0100007F:", "01:0001", "0100007F:99999", strings.Repeat("0", 9000) + ":1"} {
		if end, ok := parseEnd(hostile); ok && len(hostile) != 13 {
			t.Errorf("%q is %s", hostile, end)
		}
	}
}

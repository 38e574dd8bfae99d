package test

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The daemon reports to systemd that it is ready, its health and its watchdog; it
// stops feeding the watchdog when the kernel does not drop packets.
func TestSystemdNotifications(t *testing.T) {
	b := newBooth(t, "[health]\nfirewall = \"1s\"\n")
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "4000000")
	// received reads messages until all of want have come, or for so long.
	received := func(within time.Duration, want ...string) (all []string) {
		t.Helper()
		buf := make([]byte, 4096)
		_ = socket.SetReadDeadline(time.Now().Add(within))
		for {
			missing := slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(strings.Join(all, "\n"), w) })
			if len(want) > 0 && !missing {
				return all
			}
			n, err := socket.Read(buf)
			if err != nil {
				return all
			}
			all = append(all, string(buf[:n]))
		}
	}
	b.launch()
	want := []string{"READY=1", "STATUS=healthy, mode enforce", "WATCHDOG=1"}
	if all := strings.Join(received(time.Minute, want...), "\n"); !strings.Contains(all, want[0]) || !strings.Contains(all, want[1]) || !strings.Contains(all, want[2]) {
		t.Fatalf("systemd got:\n%s", all)
	}
	for range 2 {
		if fed := received(10*time.Second, "WATCHDOG=1"); !slices.Equal(fed, []string{"WATCHDOG=1"}) {
			t.Errorf("when nothing happens systemd gets %q, want only the watchdog fed, each second", fed)
		}
	}
	// Without UDP on the loopback interface the table cannot be probed; the control
	// socket and AMI use none.
	b.nft("add table inet mute; add chain inet mute in { type filter hook input priority 0; policy accept; }; add rule inet mute in ip protocol udp drop; add rule inet mute in ip6 nexthdr udp drop")
	if all := received(time.Minute, "STATUS=DEGRADED: kernel"); len(all) == 0 || !strings.Contains(all[len(all)-1], "DEGRADED") {
		t.Fatalf("with no packet on the loopback interface systemd gets %q", all)
	}
	if fed := received(2500 * time.Millisecond); slices.Contains(fed, "WATCHDOG=1") {
		t.Errorf("the watchdog is fed although no drop is proven: %q", fed)
	}
	b.nft("delete table inet mute")
	if all := received(time.Minute, "STATUS=healthy", "WATCHDOG=1"); !slices.Contains(all, "WATCHDOG=1") {
		t.Errorf("the watchdog is not fed again: %q", all)
	}
}

package test

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// systemd is told that the daemon is ready, how it is, and that it lives; no
// longer when the kernel does not drop.
func TestSystemdIsTold(t *testing.T) {
	b := newBooth(t, "[health]\nkernel = \"1s\"\n")
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "4000000")
	// told reads what comes until all of it has come, or for so long.
	told := func(within time.Duration, want ...string) (all []string) {
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
	if all := strings.Join(told(time.Minute, want...), "\n"); !strings.Contains(all, want[0]) || !strings.Contains(all, want[1]) || !strings.Contains(all, want[2]) {
		t.Fatalf("systemd is told:\n%s", all)
	}
	for range 2 {
		if fed := told(10*time.Second, "WATCHDOG=1"); !slices.Equal(fed, []string{"WATCHDOG=1"}) {
			t.Errorf("in quiet times systemd is told %q, want its watchdog fed each second", fed)
		}
	}
	// Nobody can probe a table when nothing passes the loopback interface; the
	// control socket and AMI go on, being what they are.
	b.nft("add table inet mute; add chain inet mute in { type filter hook input priority 0; policy accept; }; add rule inet mute in ip protocol udp drop; add rule inet mute in ip6 nexthdr udp drop")
	if all := told(time.Minute, "STATUS=DEGRADED: kernel"); len(all) == 0 || !strings.Contains(all[len(all)-1], "DEGRADED") {
		t.Fatalf("with no packet on the loopback interface systemd is told %q", all)
	}
	if fed := told(2500 * time.Millisecond); slices.Contains(fed, "WATCHDOG=1") {
		t.Errorf("the watchdog is fed although no drop is proven: %q", fed)
	}
	b.nft("delete table inet mute")
	if all := told(time.Minute, "STATUS=healthy", "WATCHDOG=1"); !slices.Contains(all, "WATCHDOG=1") {
		t.Errorf("the watchdog is not fed again: %q", all)
	}
}

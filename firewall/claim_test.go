package firewall

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A table has one daemon at a time in a network namespace, which the other one's error names;
// another table is free, and so is this one once its daemon has ended.
func TestClaim(t *testing.T) {
	table := fmt.Sprintf("test_%d", os.Getpid())
	first, finding, err := claim(table)
	if err != nil || finding != "" {
		t.Fatalf("%q, %v", finding, err)
	}
	if _, _, err := claim(table); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("(process %d): stop that one first", os.Getpid())) {
		t.Errorf("a second daemon: %v", err)
	}
	other, _, err := claim(table + "_b")
	if err != nil {
		t.Errorf("another table: %v", err)
	}
	if err := errors.Join(first.Close(), other.Close()); err != nil {
		t.Error(err)
	}
	again, finding, err := claim(table)
	if err != nil || finding != "" {
		t.Fatalf("after its end: %q, %v", finding, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Any user can take the name; that keeps no daemon from protecting the site: not with all
// capabilities of a user namespace, and not by a program of root's that inherits the socket.
func TestWhoMayHaveTheTable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starts processes of other users")
	}
	const somebody = 4711
	start := func(as *syscall.SysProcAttr) int32 {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = as
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return int32(cmd.Process.Pid)
	}
	id := []syscall.SysProcIDMap{{ContainerID: 0, HostID: somebody, Size: 1}}
	unprivileged := start(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}})
	capable := start(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}, AmbientCaps: []uintptr{unix.CAP_NET_ADMIN}})
	namespaced := start(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: id, GidMappings: id, Credential: &syscall.Credential{}})
	for name, tt := range map[string]struct {
		who  unix.Ucred
		want bool
	}{
		"root":                       {unix.Ucred{Uid: 0, Pid: 1}, true},
		"our own user":               {unix.Ucred{Uid: uint32(os.Geteuid()), Pid: 1}, true},
		"a user with CAP_NET_ADMIN":  {unix.Ucred{Uid: somebody, Pid: capable}, true},
		"a user":                     {unix.Ucred{Uid: somebody, Pid: unprivileged}, false},
		"in a user namespace":        {unix.Ucred{Uid: somebody, Pid: namespaced}, false},
		"now a program of root's":    {unix.Ucred{Uid: somebody, Pid: int32(os.Getpid())}, false},
		"a process that is not seen": {unix.Ucred{Uid: somebody, Pid: 0}, false},
	} {
		if got := mayHaveTable(&tt.who); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

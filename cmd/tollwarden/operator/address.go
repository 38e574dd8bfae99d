package operator

import (
	"bytes"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Address is where the person at this terminal is logged in from by SSH; the zero
// Addr if not by SSH. sudo removes SSH_CONNECTION from the environment, so the
// parent processes are searched too, up to the shell that sshd started.
func Address() netip.Addr {
	if a := sshClient(os.Getenv("SSH_CONNECTION")); a.IsValid() {
		return a
	}
	for pid, left := os.Getppid(), 32; pid > 1 && left > 0; pid, left = parentOf(pid), left-1 {
		environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil {
			return netip.Addr{}
		}
		for entry := range bytes.SplitSeq(environ, []byte{0}) {
			if value, ok := strings.CutPrefix(string(entry), "SSH_CONNECTION="); ok {
				return sshClient(value)
			}
		}
	}
	return netip.Addr{}
}

// sshClient reads SSH_CONNECTION (sshd(8)): client address, client port, server
// address, server port.
func sshClient(connection string) netip.Addr {
	client, _, _ := strings.Cut(connection, " ")
	a, err := netip.ParseAddr(client)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// parentOf is the parent of a process (proc_pid_stat(5): the fourth field, after
// a name that may hold anything); 0 if it has exited.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

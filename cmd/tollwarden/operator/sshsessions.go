package operator

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// SSHSessions are the addresses with a connection to an sshd process, as far as
// this user may see them. If the environment was lost after the login, in a
// terminal multiplexer or a job, one of them is still the operator's. proc is
// where /proc is mounted.
func SSHSessions(proc string) (from []netip.Addr) {
	sockets := sshdSockets(proc)
	if len(sockets) == 0 {
		return nil
	}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		text, err := os.ReadFile(filepath.Join(proc, table))
		if err != nil {
			continue // no IPv6, perhaps
		}
		for line := range strings.Lines(string(text)) {
			// proc_pid_net(5): sl, local, remote, state, …, the inode as the tenth.
			f := strings.Fields(line)
			const established = "01"
			if len(f) < 10 || f[3] != established || !sockets["socket:["+f[9]+"]"] {
				continue
			}
			if a, ok := procAddr(f[2]); ok {
				from = append(from, a)
			}
		}
	}
	return from
}

// sshdSockets are the sockets of sshd's processes: sshd, and since OpenSSH 9.8
// sshd-session.
func sshdSockets(proc string) map[string]bool {
	sockets := map[string]bool{}
	processes, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, p := range processes {
		name, err := os.ReadFile(filepath.Join(p, "comm"))
		if err != nil || !strings.HasPrefix(string(name), "sshd") {
			continue
		}
		files, _ := os.ReadDir(filepath.Join(p, "fd")) // another user's are not visible
		for _, file := range files {
			if target, err := os.Readlink(filepath.Join(p, "fd", file.Name())); err == nil && strings.HasPrefix(target, "socket:[") {
				sockets[target] = true
			}
		}
	}
	return sockets
}

// procAddr reads an address and port as /proc/net/tcp writes them: words of 32
// bits in native byte order, in hex.
func procAddr(s string) (netip.Addr, bool) {
	digits, _, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return a.Unmap(), ok
}

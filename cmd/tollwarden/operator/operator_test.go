package operator

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhereTheOperatorIsLoggedIn(t *testing.T) {
	for connection, want := range map[string]string{
		"203.0.113.5 51234 192.0.2.1 22":        "203.0.113.5",
		"::ffff:203.0.113.5 51234 192.0.2.1 22": "203.0.113.5",
		"fe80::1%eth0 51234 fe80::2%eth0 22":    "fe80::1",
		"":                                      "invalid IP",
		"nonsense":                              "invalid IP",
	} {
		if got := sshClient(connection).String(); got != want {
			t.Errorf("%q: %s, want %s", connection, got, want)
		}
	}
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("parent %d, want %d", got, os.Getppid())
	}
}

// sudo takes the variable away; the shell above still has it.
func TestOperatorBehindSudo(t *testing.T) {
	if os.Getenv("TOLLWARDEN_TEST_WHO") != "" {
		os.Stdout.WriteString("from " + Address().String() + "\n")
		return
	}
	cmd := exec.Command("/bin/sh", "-c", `env -u SSH_CONNECTION "$0" -test.run TestOperatorBehindSudo; true`, os.Args[0])
	cmd.Env = append(os.Environ(), "TOLLWARDEN_TEST_WHO=1", "SSH_CONNECTION=203.0.113.5 51234 192.0.2.1 22")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "from 203.0.113.5\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// Whoever is connected to a process called sshd is logged in, whatever port it
// listens on and whatever the environment says.
func TestWhoIsLoggedInBySSH(t *testing.T) {
	if os.Getenv("TOLLWARDEN_TEST_SSHD") != "" {
		l, err := net.Listen("tcp", "[::]:0") // as sshd does: IPv4 comes as 4in6
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("port " + l.Addr().String() + "\n")
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
			os.Stdout.WriteString("accepted\n")
		}
	}
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sshd-session")
	if err := os.WriteFile(path, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run", "TestWhoIsLoggedInBySSH")
	cmd.Env = append(os.Environ(), "TOLLWARDEN_TEST_SSHD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	lines.Scan()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(lines.Text(), "port "))
	if err != nil {
		t.Fatal(err)
	}
	if got := SSHSessions("/proc"); slices.Contains(got, netip.MustParseAddr("127.0.0.77")) {
		t.Errorf("before anybody is: %v", got)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
	c, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lines.Scan() // accepted
	if got := SSHSessions("/proc"); !slices.Contains(got, netip.MustParseAddr("127.0.0.77")) {
		t.Errorf("logged in are %v", got)
	}
}

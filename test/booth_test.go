package test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// booth is a daemon in a network namespace of its own, beside a fake PBX that
// speaks AMI: for tests that need the real program and the real kernel, but no real
// Asterisk.
type booth struct {
	t   *testing.T
	dir string
	pbx *amitest.PBX
	cmd *exec.Cmd
	log *lab.Journal
	end chan error
}

// newBooth prepares everything but the daemon. The test's own thread is in the
// namespace from here on, and with it whatever the test starts; the thread dies
// with the test.
func newBooth(t *testing.T, settings string) *booth {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces and nftables")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft (apt-get install nftables)")
	}
	if _, err := binary(); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs network namespaces (in a container: run it with --privileged): %v", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &booth{t: t, dir: t.TempDir(), log: &lab.Journal{}}
	if b.pbx, err = amitest.Start(amitest.Options{
		ConfigDir: b.dir, Users: []amitest.User{{Name: "tollwarden", Secret: "s", Read: "security,call", Write: "system,config,command,call,reporting"}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1001", "1002"} {
		if err := b.pbx.AddAccount(amitest.Account{Name: name, Secret: "easy-" + name}); err != nil {
			t.Fatal(err)
		}
	}
	b.pbx.Register(amitest.Contact{Account: "1001", Via: netip.MustParseAddrPort("198.51.100.10:5060"), UserAgent: "desk phone"})
	text := fmt.Sprintf("data = %q\nsocket = %q\n[asterisk]\naddress = %q\nusername = \"tollwarden\"\nsecret = \"s\"\nconfig_dir = %q\n", b.data(), b.socket(), b.pbx.Address(), b.dir)
	if err := os.WriteFile(b.config(), []byte(text+settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.stop(syscall.SIGTERM)
		_ = b.pbx.Close()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", b.log)
		}
	})
	return b
}

func (b *booth) config() string          { return filepath.Join(b.dir, "tollwarden.toml") }
func (b *booth) data() string            { return filepath.Join(b.dir, "data") }
func (b *booth) socket() string          { return filepath.Join(b.dir, "socket") }
func (b *booth) client() *control.Client { return control.Dial(b.socket()) }

// launch runs the daemon and does not wait for it.
func (b *booth) launch() {
	b.t.Helper()
	path, err := binary()
	if err != nil {
		b.t.Fatal(err)
	}
	b.cmd = exec.Command(path, "run", "-c", b.config())
	b.cmd.Stderr, b.cmd.Stdout = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.end = make(chan error, 1)
	go func(cmd *exec.Cmd, end chan error) { end <- cmd.Wait() }(b.cmd, b.end)
}

// start runs the daemon and waits until it listens to the PBX and knows its
// accounts: before that it cannot recognise an anonymous call.
func (b *booth) start() {
	b.t.Helper()
	b.launch()
	b.connected()
	if len(b.pbx.Contacts("1001")) == 0 {
		return
	}
	b.wait("the daemon to know the PBX's accounts", func() bool {
		names, err := b.client().Accounts(b.t.Context())
		return err == nil && slices.Contains(names, "1001")
	})
}

// connected waits until the daemon has both of its sessions with the PBX.
func (b *booth) connected() {
	b.t.Helper()
	b.wait("the daemon to listen to the PBX", func() bool {
		s, err := b.client().Status(b.t.Context())
		return err == nil && s.Asterisk.ConnectedSince != nil
	})
	if err := b.pbx.WaitSessions(soon(b.t), 2); err != nil {
		b.t.Fatal(err)
	}
}

func (b *booth) stop(s syscall.Signal) {
	b.t.Helper()
	if b.cmd == nil {
		return
	}
	if err := b.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		b.t.Error(err)
	}
	select {
	case err := <-b.end:
		if s == syscall.SIGTERM && err != nil {
			b.t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(time.Minute):
		b.t.Error("the daemon does not end")
		_ = b.cmd.Process.Kill()
		<-b.end
	}
	b.cmd = nil
}

func (b *booth) wait(what string, holds func() bool) {
	b.t.Helper()
	for end := time.Now().Add(80 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain for %s\n%s", what, b.log)
		}
	}
}

// nft runs nft in the namespace.
func (b *booth) nft(args ...string) string {
	b.t.Helper()
	out, err := exec.Command("nft", args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dropped says whether the kernel itself has the prefix in a set of ours.
func (b *booth) dropped(prefix string) bool {
	b.t.Helper()
	return kernelHolds(b.t, []byte(b.nft("-j", "list", "table", "inet", "tollwarden")), netip.MustParsePrefix(prefix))
}

// said is what a command printed, and its exit code.
type said struct {
	out, err string
	code     int
}

// run runs a command against the daemon.
func (b *booth) run(args ...string) said {
	b.t.Helper()
	return b.runWith(nil, args...)
}

func (b *booth) runWith(env []string, args ...string) said {
	b.t.Helper()
	path, err := binary()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed and returns what it printed.
func (b *booth) must(args ...string) string {
	b.t.Helper()
	s := b.run(args...)
	if s.code != 0 {
		b.t.Fatalf("tollwarden %s: exit %d: %s%s", strings.Join(args, " "), s.code, s.out, s.err)
	}
	return s.out
}

// guess is one wrong answer over TCP, whose source cannot be spoofed.
func guess(account, source string, n int) string {
	return security("ChallengeResponseFailed", account, fmt.Sprintf("%s-%d", source, n), source, "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n")
}

func guesses(account, source string, n int) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(guess(account, source, i))
	}
	return all.String()
}

func rightGuess(account, source string) string {
	return security("SuccessfulAuth", account, source+"-right", source, "UsingPassword: 1\r\n")
}

// security writes one security event as PJSIP raises it.
func security(event, account, session, source, extra string) string {
	severity := "Error"
	if event == "SuccessfulAuth" || event == "ChallengeSent" {
		severity = "Informational"
	}
	return "Event: " + event + "\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: " + severity +
		"\r\nService: PJSIP\r\nEventVersion: 1\r\nAccountID: " + account + "\r\nSessionID: " + session +
		"\r\nLocalAddress: IPV4/TCP/192.0.2.1/5060\r\nRemoteAddress: IPV4/TCP/" + source + "/5060\r\n" + extra + "\r\n"
}

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Svcrack runs sipvicious' password cracker at the host against the account, with the passwords
// in order, and returns what it printed. Without an answer it gives up after ten seconds.
func (l *Lab) Svcrack(ctx context.Context, h *Host, account string, passwords ...string) (string, error) {
	return l.sipvicious(ctx, h, passwords, "svcrack", "-u", account, "-d", "-")
}

// Svwar runs sipvicious' extension scanner at the host over the names and returns what it
// printed. method is REGISTER, INVITE or OPTIONS.
//
// It is forced, because on its own it does not scan a PBX that asks unknown names for a password
// too, and it sends without waiting, because even then it stops at the first answer it gets: a
// dozen names or so reach the PBX. On chan_sip these raise nothing but ChallengeSent, unless
// sip.conf says alwaysauthreject = no; then it scans them all.
func (l *Lab) Svwar(ctx context.Context, h *Host, method string, names ...string) (string, error) {
	return l.sipvicious(ctx, h, names, "svwar", "--force", "-t", "0", "-m", method, "-d", "-")
}

// sipvicious runs one of its programs with words on its standard input. It keeps sessions in
// the home folder, which is the lab's.
func (l *Lab) sipvicious(ctx context.Context, h *Host, words []string, program string, args ...string) (string, error) {
	cmd := h.Command(ctx, program, append(args, PBXAddress)...)
	cmd.Env = append(os.Environ(), "HOME="+l.dir)
	cmd.Stdin = strings.NewReader(strings.Join(words, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s at %s: %w", program, h.Name, err)
	}
	return string(out), nil
}

// Sipp runs SIPp at the host against the PBX with a scenario, which is its XML, and further
// arguments such as -m 10, and returns what it printed.
func (l *Lab) Sipp(ctx context.Context, h *Host, scenario string, args ...string) (string, error) {
	file := filepath.Join(l.dir, "scenario-"+token()+".xml")
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		return "", fmt.Errorf("write scenario: %w", err)
	}
	args = append([]string{"-sf", file, "-i", h.Source().String(), "-nostdin"}, args...)
	cmd := h.Command(ctx, "sipp", append(args, PBXAddress)...)
	cmd.Dir = l.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("sipp at %s: %w", h.Name, err)
	}
	return string(out), nil
}

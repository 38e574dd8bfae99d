package test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/test/lab"
)

// check runs `tollwarden check` beside the lab's Asterisk as this AMI user.
func check(t *testing.T, l *lab.Lab, user, secret, settings string) (string, int) {
	t.Helper()
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	w.write("", user, secret, settings)
	out, err := w.tollwarden("check", "--verbose", "-c", w.config())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, 0
}

func TestCheck(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		stanza := "write = config,system"
		if l.Version == lab.Asterisk16 {
			stanza = "write = call,command,config,reporting"
		}
		for name, tc := range map[string]struct {
			user, secret, settings string
			code                   int
			says                   []string
		}{
			"all is well": {lab.AMIUser, lab.AMISecret, "", 0, []string{
				"3 wrong passwords from one IP address within 1h",
				"password guessing: 3 points of one IP address within 1h from ChallengeResponseFailed (1), InvalidPassword (1): ban.",
				"A ban lasts 15m, then 4h, then 24h, then 7d, then forever",
				"security events: a refused login that this check made arrived", "none failed",
				"on UDP port 5060, 5061 and the other UDP ports on which Asterisk takes SIP and IAX2 only",
				"Asterisk listens for SIP and IAX2 on UDP port 5060 (" + map[lab.Version]string{lab.Asterisk16: "chan_sip", lab.Asterisk22: "PJSIP"}[l.Version] + "): bans close them",
				"It closes Asterisk's ports, then everything.", "it listens on TCP port 5038 (AMI), 5060 (",
				"the kernel accepts the whole ruleset of table inet tollwarden", "logged in to Asterisk Call Manager",
				"the user may carry out every step of the playbooks", "read = security,call", stanza,
			}},
			"a user who may do nothing": {lab.WatcherUser, lab.WatcherSecret, "", 1, []string{
				"warning  ports: could not ask Asterisk for all of its ports: ", "missing: ports needs GetConfig: add system or config to write=",
				"missing: hangup needs Hangup: add call or system to write=", "missing: rotate needs UpdateConfig: add config to write=",
			}},
			"a wrong secret": {lab.AMIUser, "wrong", "", 1, []string{"FAILED   login:", "wrong secret, unknown user", "fix: sed -i"}},
			"a playbook that does not exist": {lab.AMIUser, lab.AMISecret, strings.Replace(shortRules(3), `playbook = "block"`, `playbook = "blok"`, 1), 1, []string{
				`threshold[0].playbook: there is no [[playbook]] "blok": want one of "block", "compromise"`,
			}},
		} {
			t.Run(name, func(t *testing.T) {
				out, code := check(t, l, tc.user, tc.secret, tc.settings)
				if code != tc.code {
					t.Errorf("exit code %d, want %d", code, tc.code)
				}
				for _, want := range tc.says {
					if !strings.Contains(out, want) {
						t.Errorf("does not say %q", want)
					}
				}
				if strings.Contains(out, tc.secret) && tc.secret != "wrong" {
					t.Error("the secret is printed")
				}
				if t.Failed() {
					t.Log(out)
				}
			})
		}
		// Nothing of the check is left in the kernel.
		out, err := l.PBX.Command(t.Context(), "nft", "list", "ruleset").CombinedOutput()
		if err != nil || strings.Contains(string(out), "tollwarden") {
			t.Errorf("the check left behind: %v\n%s", err, out)
		}
	})
}

// Where Asterisk's sorcery.conf leads to a database, the steps that write it
// need more, and check says so.
func TestCheckOfADatabase(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Realtime: true, Append: map[string]string{
		"manager.conf": "[small]\nsecret = lab-small\nread = security,call\nwrite = config,system\n",
	}})
	playbook := `
[[playbook]]
name  = "shut"
steps = ["lock"]
[[threshold]]
name     = "locked at once"
per      = "account"
score    = 3
within   = "1h"
playbook = "shut"
signals  = { InvalidPassword = 1 }
`
	out, code := check(t, l, "small", "lab-small", playbook)
	for _, want := range []string{"missing: lock needs Command: add command to write=", "write = command,config,system"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, does not say %q:\n%s", code, want, out)
		}
	}
}

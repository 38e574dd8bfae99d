package check

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
)

type listed []calls.Account

func (h listed) Accounts(context.Context) ([]calls.Account, error) { return h, nil }

// What of IAX2 is not covered is said where there are accounts of it, and only there.
func TestExplainIAX(t *testing.T) {
	for name, c := range map[string]struct {
		accounts  listed
		log       bool
		says, not string
	}{
		"no account": {listed{{Name: "1001", Login: true}}, false, "", "IAX2"},
		"seen":       {listed{{Name: "1001"}, {Name: "2001", Unannounced: true}}, true, "Not covered: guesses", "warning"},
		"unseen":     {listed{{Name: "2001", Unannounced: true}}, false, "warning  : asterisk.log is not set", "authdebug"},
	} {
		cfg := &config.Config{}
		if c.log {
			cfg.Asterisk.Log = "/var/log/asterisk/messages"
		}
		if out := text(iax(t.Context(), c.accounts, cfg)); !strings.Contains(out, c.says) || strings.Contains(out, c.not) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

type stuck []pbx.Unrotatable

func (s stuck) TryRotate(context.Context, int) (pbx.Trial, error) { return pbx.Trial{Failed: s}, nil }

// The accounts whose passwords cannot be changed are named, those of one reason together.
func TestListUnrotatable(t *testing.T) {
	list := stuck{{Account: "Front Desk", Reason: "no section"}}
	for n := range 25 {
		list = append(list, pbx.Unrotatable{Account: fmt.Sprint(1000 + n), Reason: fmt.Sprintf("[%d] is generated", 1000+n)})
	}
	out := text(listUnrotatable(t.Context(), list))
	for _, want := range []string{
		`rotating "Front Desk" would fail, and the stolen password would stay valid: no section`,
		`rotating "1000", "1001", `, `"1019" and 5 more would fail, and the stolen password would stay valid: [1000] is generated`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing:\n%s", want, out)
		}
	}
}

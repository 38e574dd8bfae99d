package check

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
)

// Only a hook behind a socket that answered is said to answer.
func TestExplainHook(t *testing.T) {
	const socket = "unix:/run/tollwarden-hook.sock"
	for name, tt := range map[string]struct {
		method   string
		exec     []string
		hopeless bool
		says     bool
	}{
		"answers":        {"auto", []string{socket}, false, true},
		"does not":       {"auto", []string{socket}, true, false},
		"a program":      {"exec", []string{"/bin/true"}, false, false},
		"not in use":     {"freepbx", []string{socket}, false, false},
		"no hook at all": {"auto", nil, false, false},
	} {
		cfg := &config.Config{}
		cfg.Rotate.Method, cfg.Rotate.Exec = tt.method, tt.exec
		var out strings.Builder
		explainHook(&out, cfg, tt.hopeless)
		if got := strings.Contains(out.String(), socket+" answers"); got != tt.says {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}

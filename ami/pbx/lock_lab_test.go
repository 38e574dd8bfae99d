package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/test/lab"
)

// stale is a connection on which caches cannot be emptied, and which is lost at
// an update that holds one of the words in deny.
type stale struct {
	ami.Doer
	deny []string
}

func (d stale) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	line := ami.Message(a.Fields).Get("Command")
	if a.Name == "SorceryMemoryCacheExpireObject" || slices.ContainsFunc(d.deny, func(word string) bool { return strings.HasSuffix(line, word) }) {
		return nil, errors.New("connection lost")
	}
	return d.Doer.Do(ctx, a)
}

// A lock of a database's account that a cache keeps from taking effect leaves
// the row as it was; where that fails, what unlocks it is known all the same.
func TestLockThatACacheHides(t *testing.T) {
	l := lab.New(t, lab.Options{Realtime: true, Append: map[string]string{
		"modules.conf": "load = res_sorcery_memory_cache.so\n", "sorcery.conf": "endpoint/cache = memory_cache,object_lifetime_maximum=3600\n",
	}})
	moveCacheFirst(t, l, "endpoint")
	row := func() string { // as Asterisk's driver has it, which writes a little later
		t.Helper()
		out, err := l.CLI(soon(t), "realtime load ps_endpoints id "+lab.RealtimeAccount)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "context" {
				return f[1]
			}
		}
		return out
	}
	client := login(t, l, lab.AMIUser, lab.AMISecret)
	for _, c := range []struct {
		name     string
		deny     []string
		was, row string
	}{
		{"taken back", nil, "", "internal"},
		{"and it cannot be taken back", []string{" internal"}, "PJSIP=internal", pbx.LockedContext},
		{"and nothing can be written", []string{" internal", " " + pbx.LockedContext}, "PJSIP=internal", pbx.LockedContext},
	} {
		m := pbx.New(stale{client, c.deny}, pbx.Options{ConfigDir: l.Path("/etc/asterisk"), VerifyWithin: time.Second})
		was, _, err := m.Lock(soon(t), lab.RealtimeAccount)
		if err == nil || was != c.was || errors.Is(err, pbx.ErrUncertain) != (c.was != "") {
			t.Errorf("%s: before %q, %v", c.name, was, err)
		}
		if got := row(); got != c.row {
			t.Errorf("%s: the row says %q", c.name, got)
		}
	}
	m := pbx.New(client, pbx.Options{ConfigDir: l.Path("/etc/asterisk")})
	if _, _, err := m.Lock(soon(t), lab.RealtimeAccount); err != nil {
		t.Errorf("with a cache that can be emptied: %v", err)
	}
	if detail, err := m.Unlock(soon(t), lab.RealtimeAccount, "PJSIP=internal"); err != nil || row() != "internal" {
		t.Errorf("unlock: %q, %v; the row says %q", detail, err, row())
	}
}

package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/firewall"
)

// fickle is a kernel that does not always let go.
type fickle struct {
	firewall.Table
	allowed []netip.Prefix
	refuse  error // of the next release
}

func (f *fickle) Allow(prefixes []netip.Prefix) error {
	f.allowed = prefixes
	return f.Table.Allow(prefixes)
}

func (f *fickle) Release(prefixes ...netip.Prefix) error {
	if f.refuse != nil {
		return f.refuse
	}
	return f.Table.Release(prefixes...)
}

// Reconcile is refused once, after the release.
func (f *fickle) Reconcile(now time.Time, bans []firewall.Ban) error {
	if err := f.refuse; err != nil {
		f.refuse = nil
		return err
	}
	return f.Table.Reconcile(now, bans)
}

// daemonOn is a daemon that nobody runs, by a configuration file with this text
// at its end.
func daemonOn(t *testing.T, text string) (d *daemon, kernel *fickle) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "t.toml")
	writeFile(t, path, configOf(dir, text))
	f, cfg, err := openConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	kernel = &fickle{}
	d, err = newDaemon(time.Now(), cfg, zerolog.Nop(), func(c firewall.Config, _ zerolog.Logger) (firewall.Table, error) {
		kernel.Table = firewall.NewMemory(c)
		return kernel, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		d.close()
	})
	d.file = f
	return d, kernel
}

func configOf(dir, text string) string {
	return "data = \"" + dir + "\"\nsocket = \"" + dir + "/s\"\n[asterisk]\naddress = \"pbx.example:5038\"\nusername = \"u\"\nsecret = \"s\"\nconfig_dir = \"" + dir + "\"\n" + text
}

// reloads has the daemon read another configuration.
func reloads(t *testing.T, d *daemon, text string) error {
	t.Helper()
	writeFile(t, d.file.path, configOf(d.cfg.Data, text))
	_, err := d.reload()
	return err
}

const (
	listens = "[[playbook]]\nname = \"p\"\nsteps = [\"ban\"]\n[[threshold]]\nname = \"t\"\nper = \"account\"\nsignals = { InvalidPassword = 1 }\nscore = 3\nwithin = \"1h\"\nplaybook = \"p\"\n"
	store   = "secrets"
)

// Steps that a reload adds are looked at from then on, and what a reload cannot
// change is refused.
func TestReload(t *testing.T) {
	d, _ := daemonOn(t, listens)
	if err := os.Mkdir(filepath.Join(d.cfg.Data, store), 0o700); err != nil {
		t.Fatal(err)
	}
	if c := d.checkFiles(); !c.OK {
		t.Errorf("nothing is written: %+v", c)
	}
	for name, tt := range map[string]struct{ text, refused string }{
		"restrict":        {"[restrict]\nnetworks = 9\n" + listens, ""},
		"break_in":        {"[break_in]\nfailures = 9\n" + listens, ""},
		"break_in.known":  {"[break_in]\nknown = \"90d\"\n" + listens, "only a restart can change break_in.known"},
		"the same as was": {listens, ""},
	} {
		err := reloads(t, d, tt.text)
		if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := reloads(t, d, strings.Replace(listens, `["ban"]`, `["ban", "rotate"]`, 1)); err != nil {
		t.Fatal(err)
	}
	if c := d.checkFiles(); c.OK || !strings.Contains(c.Detail, "rotate will fail") {
		t.Errorf("the secrets' place is taken: %+v", c)
	}
}

package main

import (
	"crypto/sha256"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// configFile is the configuration file, and whether it is what is in force.
type configFile struct {
	path   string
	secret string // from the environment, which loses it at the start

	mu      sync.Mutex
	sum     [sha256.Size]byte // of what is in force
	loaded  time.Time
	refused error // why the last reload was refused, or the next one would be

	// As of the last look at the file:
	size     int64
	written  time.Time
	changed  bool             // it differed from what is in force
	warnings []config.Warning // while it could be read
}

// openConfig reads the file for the first time. It takes the secret out of the
// environment so that no child process and no /proc reader gets it from there.
func openConfig(path string) (*configFile, *config.Config, error) {
	f := &configFile{path: path, secret: os.Getenv(config.SecretEnv)}
	_ = os.Unsetenv(config.SecretEnv)
	cfg, sum, err := f.read()
	if err != nil {
		return nil, nil, err
	}
	f.inForce(cfg, sum)
	return f, cfg, nil
}

// read parses the file as it is now.
func (f *configFile) read() (*config.Config, [sha256.Size]byte, error) {
	env := config.Env{Signals: signalNames(), Template: notify.CheckTemplate, Getenv: func(key string) string {
		if key == config.SecretEnv {
			return f.secret
		}
		return os.Getenv(key)
	}}
	data, err := os.ReadFile(f.path)
	if err != nil {
		cfg, err := config.Load(f.path, env) // for its error, which says what to do
		return cfg, sha256.Sum256(data), err
	}
	cfg, err := config.Parse(f.path, data, env)
	return cfg, sha256.Sum256(data), err
}

// inForce notes that cfg, read from a file with this sum, is in force now.
func (f *configFile) inForce(cfg *config.Config, sum [sha256.Size]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum, f.loaded, f.refused, f.warnings = sum, time.Now(), nil, cfg.Warnings
	f.size, f.written = -1, time.Time{} // look again
}

func (f *configFile) refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = err
	if info, err := os.Stat(f.path); err == nil {
		f.size, f.written, f.changed = info.Size(), info.ModTime(), true
	}
}

// state describes the file for status. The file is read only if its size or time
// has changed.
func (f *configFile) state() control.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		f.changed = true
	case info.Size() != f.size || !info.ModTime().Equal(f.written):
		cfg, sum, err := f.read()
		f.changed, f.refused = sum != f.sum, nil
		if f.changed {
			f.refused = err
		}
		if err == nil {
			f.warnings = cfg.Warnings
		}
		f.size, f.written = info.Size(), info.ModTime()
	}
	c := control.File{File: f.path, Loaded: f.loaded, Changed: f.changed}
	if f.refused != nil {
		c.Refused = f.refused.Error()
	}
	for _, w := range f.warnings {
		c.Warnings = append(c.Warnings, w.String())
	}
	return c
}

// logWarnings logs the old names that a configuration uses.
func logWarnings(log zerolog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn().Str("file", w.File).Msg(w.String())
	}
}

// reloadable zeroes everything that a reload can change. What is not named here
// needs a restart, new keys included.
func reloadable(c config.Config) config.Config {
	c.Thresholds, c.Playbooks = nil, nil
	c.Bans, c.Restrict, c.Calls = config.Bans{}, config.Restrict{}, config.Calls{}
	c.BreakIn = config.BreakIn{Known: c.BreakIn.Known} // the ledger keeps places that long, too
	c.Notify, c.Exec = config.Notify{}, config.Exec{}
	c.Firewall.Allow = nil
	c.Health.Canary, c.Health.Firewall = 0, 0
	c.Warnings = nil // they change nothing
	return c
}

// fixed lists the keys that differ and that a reload cannot change.
func fixed(was, is *config.Config) []string {
	return differing("", reflect.ValueOf(reloadable(*was)), reflect.ValueOf(reloadable(*is)))
}

func differing(prefix string, a, b reflect.Value) (keys []string) {
	for i := range a.NumField() {
		name := prefix + snake(a.Type().Field(i).Name)
		switch x, y := a.Field(i), b.Field(i); {
		case reflect.DeepEqual(x.Interface(), y.Interface()):
		case x.Kind() == reflect.Struct:
			keys = append(keys, differing(name+".", x, y)...)
		default:
			keys = append(keys, name)
		}
	}
	return keys
}

// snake is the key of a field: TLSName is tls_name.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(strings.Replace(name, "TLS", "Tls", 1))
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

package settings

import (
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/texts"
)

// Sum identifies the text of a configuration file.
type Sum [sha256.Size]byte

// File is the configuration file of a running daemon, and how it compares with
// what is in force. Its methods may be called from any goroutine.
type File struct {
	path   string
	secret string // from the environment, which loses it at the start

	mu      sync.Mutex
	sum     Sum // of the text in force
	loaded  time.Time
	refused error // why the last reload was refused, or the next one would be

	// As of the last look at the file:
	size     int64
	written  time.Time
	changed  bool             // it differed from what is in force
	warnings []config.Warning // if it could be read
}

// Load reads the file once, for a command.
func Load(path string) (*config.Config, error) {
	_, cfg, err := Open(path)
	return cfg, err
}

// Open reads the file for the first time. It takes the secret out of the
// environment, so that neither child processes nor readers of /proc get it there.
func Open(path string) (*File, *config.Config, error) {
	f := &File{path: path, secret: os.Getenv(config.SecretEnv)}
	_ = os.Unsetenv(config.SecretEnv)
	cfg, sum, err := f.Read()
	if err != nil {
		return nil, nil, err
	}
	f.Applied(cfg, sum)
	return f, cfg, nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Read parses the file as it is now.
func (f *File) Read() (*config.Config, Sum, error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		cfg, err := config.Load(f.path, env(f.secret)) // for its error, which says what to do
		return cfg, sha256.Sum256(data), err
	}
	cfg, err := config.Parse(f.path, data, env(f.secret))
	return cfg, sha256.Sum256(data), err
}

// Parse reads a text as Load reads a file, for a command that is about to write it there.
func Parse(path string, data []byte) (*config.Config, error) {
	return config.Parse(path, data, env(os.Getenv(config.SecretEnv)))
}

// env is what a configuration may ask for.
func env(secret string) config.Env {
	return config.Env{Signals: Signals(), Template: notify.CheckTemplate, UserTemplate: notify.CheckUserTemplate, CountryName: numbers.CountryName, Languages: texts.Codes(), Getenv: func(key string) string {
		if key == config.SecretEnv {
			return secret
		}
		return os.Getenv(key)
	}}
}

// ParseWithoutSecret is Parse for a command that changes what a running daemon reads: the
// daemon may have the secret from an environment of its own.
func ParseWithoutSecret(path string, data []byte) (*config.Config, error) {
	return config.Parse(path, data, env("the daemon has its own"))
}

// Applied notes that cfg, which Read returned with this sum, is in force now.
func (f *File) Applied(cfg *config.Config, sum Sum) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum, f.loaded, f.refused, f.warnings = sum, time.Now(), nil, cfg.Warnings
	f.size, f.written = -1, time.Time{} // look again
}

// Refused notes why the file as it is now was not put in force.
func (f *File) Refused(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = err
	if info, err := os.Stat(f.path); err == nil {
		f.size, f.written, f.changed = info.Size(), info.ModTime(), true
	}
}

// State describes the file for status. It reads the file only if its size or time
// has changed.
func (f *File) State() control.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look()
	c := control.File{File: f.path, Loaded: f.loaded, Changed: f.changed}
	if f.refused != nil {
		c.Refused = f.refused.Error()
	}
	for _, w := range f.warnings {
		c.Warnings = append(c.Warnings, w.String())
	}
	return c
}

// look compares the file with what is in force. The caller holds the lock.
func (f *File) look() {
	info, err := os.Stat(f.path)
	if err != nil {
		f.changed = true
		return
	}
	if info.Size() == f.size && info.ModTime().Equal(f.written) {
		return
	}
	cfg, sum, err := f.Read()
	f.changed, f.refused = sum != f.sum, nil
	if f.changed {
		f.refused = err
	}
	if err == nil {
		f.warnings = cfg.Warnings
	}
	f.size, f.written = info.Size(), info.ModTime()
}

// Warnings are the old names that a configuration uses, one line each, with the
// file that has them.
func Warnings(cfg *config.Config) []string {
	var lines []string
	for _, w := range cfg.Warnings {
		lines = append(lines, fmt.Sprintf("%s: %s", w.File, w))
	}
	return lines
}

// LogWarnings logs the old names that a configuration uses.
func LogWarnings(log zerolog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn().Str("file", w.File).Msg(w.String())
	}
}

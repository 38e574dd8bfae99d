package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/BurntSushi/toml"
)

// Env is what Parse would otherwise have to ask the system or other packages for.
type Env struct {
	// Signals are the names a threshold may count; nil allows any.
	Signals []string
	// Template checks a template of notify; nil allows any.
	Template func(text string) error
	// UserTemplate checks a template of notify.users; nil allows any.
	UserTemplate func(text string) error
	// CountryName is the English name of a country's code; nil knows none.
	CountryName func(code string) string
	// Languages are the codes that notify.language may have; nil allows any.
	Languages []string
	// Getenv reads the environment; nil is os.Getenv.
	Getenv func(string) string
}

// Load reads, parses and checks the file at path.
func Load(path string, env Env) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("config %s: no such file: create it (`tollwarden setup` does, `tollwarden check --reference` prints every key) or name another with -c", path)
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, data, env)
}

// Default is the configuration of an empty file, without an AMI login.
func Default() *Config {
	c := *builtin()
	return &c
}

// builtin is reference.toml, parsed once.
var builtin = sync.OnceValue(func() *Config {
	c, err := parse("reference.toml", Reference, Env{Getenv: func(string) string { return "" }}, nil)
	if err != nil {
		panic("config: reference.toml: " + err.Error())
	}
	return c
})

// Parse decodes and checks one file. The error joins every Problem found, so
// that a person can fix all of them at once. name appears only in messages.
func Parse(name string, data []byte, env Env) (*Config, error) {
	c, err := parse(name, data, env, Default())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// parse reads data over base. With a nil base it reads the reference itself:
// nothing is inherited and no login is asked for.
func parse(name string, data []byte, env Env, base *Config) (*Config, error) {
	var f file
	md, err := toml.Decode(string(data), &f)
	if err != nil {
		return nil, decodeProblem(name, err)
	}
	p := &parser{name: name, lines: locate(data), written: map[string]string{}, env: env}
	for _, key := range md.Undecoded() {
		p.unknown(key)
	}
	p.renamedKeys("", reflect.ValueOf(&f).Elem())
	c := &Config{}
	if base != nil {
		*c = *base
	}
	p.top(&f, c)
	p.asterisk(&f, &c.Asterisk, base != nil)
	p.database(&f, &c.Database)
	p.firewall(&f, &c.Firewall)
	p.bans(&f, &c.Bans)
	p.ledger(&f, c)
	p.breakIn(&f, &c.BreakIn)
	p.slow(&f, &c.Slow)
	p.rotate(&f, c)
	p.restrict(&f, &c.Restrict)
	p.breaker(&f, &c.Breaker)
	p.notify(&f.Notify, &c.Notify)
	p.health(&f, &c.Health)
	p.calls(&f, &c.Calls)
	p.rules(&f, c)
	p.exec(&f.Exec, c)
	slices.SortStableFunc(p.warnings, func(a, b Warning) int { return cmp.Compare(a.Line, b.Line) })
	c.Warnings = p.warnings
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		errs := make([]error, len(p.problems))
		for i, problem := range p.problems {
			errs[i] = problem
		}
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// parser collects the problems and warnings of one file.
type parser struct {
	name     string
	lines    map[string]int
	written  map[string]string // old names in the file, by new name
	env      Env
	problems []Problem
	warnings []Warning
}

// fail reports a problem of a key, under the name that the file has for it.
func (p *parser) fail(key, format string, args ...any) {
	if old, ok := p.written[key]; ok {
		key = old
	}
	p.problems = append(p.problems, Problem{File: p.name, Line: p.line(key), Key: key, Text: fmt.Sprintf(format, args...)})
}

func (p *parser) unknown(key toml.Key) {
	dotted := key.String()
	line := p.line(dotted)
	if line == 0 {
		// Inside an array of tables: the first element that has it.
		for k, l := range p.lines {
			if stripIndex(k) == strings.ToLower(dotted) && (line == 0 || l < line) {
				line = l
			}
		}
	}
	text := "unknown key: `tollwarden check --reference` prints every key"
	if key := suggest(dotted); key != "" {
		text = "unknown key: did you mean " + key + "?"
	}
	p.problems = append(p.problems, Problem{File: p.name, Line: line, Key: dotted, Text: text})
}

func (p *parser) top(f *file, c *Config) {
	if f.Mode != nil {
		c.Mode = Mode(*f.Mode)
	}
	if c.Mode != Enforce && c.Mode != Observe {
		p.fail("mode", `%q: want "enforce" or "observe"%s`, c.Mode, meant(string(c.Mode), Enforce, Observe))
	}
	p.path("data", f.Data, &c.Data)
	p.path("socket", f.Socket, &c.Socket)
}

func (p *parser) asterisk(f *file, a *Asterisk, login bool) {
	in := &f.Asterisk
	set(in.Address, &a.Address)
	set(in.Username, &a.Username)
	set(in.TLS, &a.TLS)
	set(in.TLSCA, &a.TLSCA)
	set(in.TLSName, &a.TLSName)
	p.path("asterisk.config_dir", in.ConfigDir, &a.ConfigDir)
	if in.Log != nil && *in.Log != "" {
		p.path("asterisk.log", in.Log, &a.Log)
	}
	set(in.LogDateFormat, &a.LogDateFormat)
	set(in.LogTags, &a.LogTags)
	set(in.Generated, &a.Generated)
	for _, pattern := range a.Generated {
		if _, err := filepath.Match(pattern, ""); err != nil || pattern == "" {
			p.fail("asterisk.generated", `%q: want the name of a file, or a pattern such as "sip_*.conf"`, pattern)
		}
	}
	if _, port, err := net.SplitHostPort(a.Address); err != nil || !isPort(port) {
		p.fail("asterisk.address", `%q: want host:port, such as "127.0.0.1:5038" or "[::1]:5038"`, a.Address)
	}
	if !login {
		return
	}
	if strings.TrimSpace(a.Username) == "" {
		p.fail("asterisk.username", "missing: the name of a [user] section in Asterisk's manager.conf")
	}
	a.Secret = p.secret(in.Secret, in.SecretFile)
}

var tableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

func (p *parser) firewall(f *file, fw *Firewall) {
	set(f.Firewall.Table, &fw.Table)
	if !tableName.MatchString(fw.Table) {
		p.fail("firewall.table", "%q: want a lower-case letter, then up to 31 of a-z, 0-9 and _", fw.Table)
	}
	p.sipPorts(f.Firewall.Ports, fw)
	p.ports("firewall.sip_tcp_ports", f.Firewall.TCPPorts, &fw.TCPPorts)
	set(f.Firewall.Counters, &fw.Counters)
	if f.Firewall.Allow == nil {
		return
	}
	fw.Allow = nil
	for _, s := range *f.Firewall.Allow {
		item, err := ParseAllow(s)
		if err != nil {
			p.fail("firewall.allow", "%v", err)
			continue
		}
		fw.Allow = append(fw.Allow, item)
	}
}

// maxSIPPorts is how many ports the kernel's ruleset may compare each packet with.
const maxSIPPorts = 16

func (p *parser) sipPorts(ports *[]int, fw *Firewall) {
	if p.ports("firewall.sip_ports", ports, &fw.SIPPorts); ports != nil && len(*ports) == 0 {
		p.fail("firewall.sip_ports", "0 ports: want 1 to %d, such as [5060]", maxSIPPorts)
	}
}

// maxSpoofable bounds the harm that spoofed packets can do.
const maxSpoofable = 24 * time.Hour

const wantSpoofable = `want ban times in quotes, such as ["10m", "1h", "4h", "24h"], or one`

func (p *parser) bans(f *file, b *Bans) {
	p.duration("bans.forget", f.Bans.Forget, &b.Forget)
	p.spoofable(f.Bans.Spoofable, b)
	p.scope(f.Bans.Scope, b)
	set(f.Bans.SpoofableForever, &b.SpoofableForever)
	if f.Bans.Ladder == nil {
		return
	}
	b.Ladder = nil
	for _, s := range *f.Bans.Ladder {
		d, err := ParseBanTime(s)
		if err != nil {
			p.fail("bans.ladder", "%q: %v", s, err)
			continue
		}
		b.Ladder = append(b.Ladder, d)
	}
	if len(*f.Bans.Ladder) == 0 {
		p.fail("bans.ladder", `empty: want at least one ban time, such as ["15m", "4h", "24h", "7d", "forever"]`)
	}
}

func (p *parser) scope(in *oneOrMore, b *Bans) {
	if in == nil {
		return
	}
	const key, want = "bans.scope", `want "asterisk" or "all" in quotes, or a list such as ["asterisk", "all"]`
	if in.wrong != "" || len(in.texts) == 0 {
		p.fail(key, "%s: %s", cmp.Or(in.wrong, "empty"), want)
		return
	}
	b.Scope = nil
	for _, s := range in.texts {
		if scope := Scope(s); scope == ScopeAsterisk || scope == ScopeAll {
			b.Scope = append(b.Scope, scope)
		} else {
			p.fail(key, "%q: %s%s", s, want, meant(s, ScopeAsterisk, ScopeAll))
		}
	}
}

func (p *parser) spoofable(in *oneOrMore, b *Bans) {
	if in == nil {
		return
	}
	const key = "bans.spoofable"
	b.Spoofable = nil
	switch {
	case in.wrong != "":
		p.fail(key, "%s: %s", in.wrong, wantSpoofable)
		return
	case len(in.texts) == 0:
		p.fail(key, "empty: %s", wantSpoofable)
		return
	}
	for _, s := range in.texts {
		d, err := parseDuration(s)
		switch {
		case s == forever:
			p.fail(key, "%q: want at most %s; bans.spoofable_forever = true adds bans that last until you release them", s, FormatDuration(maxSpoofable))
		case err != nil:
			p.fail(key, "%q: %v", s, err)
		case d > maxSpoofable:
			p.fail(key, "%s: want at most %s each, because spoofed packets can ban an innocent address: use %q as the last one", FormatDuration(d), FormatDuration(maxSpoofable), FormatDuration(maxSpoofable))
		default:
			b.Spoofable = append(b.Spoofable, d)
		}
	}
}

// minLedger is the smallest bound of the ledger: the bans of addresses that may be spoofed
// take half of it.
const minLedger = 64e6

func (p *parser) ledger(f *file, c *Config) {
	p.duration("ledger.keep", f.Ledger.Keep, &c.Ledger.Keep)
	p.size("ledger.size", f.Ledger.Size, &c.Ledger.Size)
	if c.Ledger.Size < minLedger {
		p.fail("ledger.size", "%s: want at least %s: so much can be bans in force", FormatSize(c.Ledger.Size), FormatSize(minLedger))
	}
	if c.Ledger.Keep < c.Bans.Forget {
		p.fail("ledger.keep", "%s: want at least %s (bans.forget): the ladder needs offences that long", FormatDuration(c.Ledger.Keep), FormatDuration(c.Bans.Forget))
	}
}

func (p *parser) breakIn(f *file, b *BreakIn) {
	p.number("break_in.failures", f.BreakIn.Failures, &b.Failures, 1, 100)
	p.duration("break_in.within", f.BreakIn.Within, &b.Within)
	p.duration("break_in.known", f.BreakIn.Known, &b.Known)
}

// Limits of what is kept for each address and extension.
const (
	maxSlowAccounts  = 8
	maxSlowAddresses = 32
	maxSlowWithin    = 30 * 24 * time.Hour
)

func (p *parser) slow(f *file, s *Slow) {
	p.duration("slow.within", f.Slow.Within, &s.Within)
	if s.Within > maxSlowWithin {
		p.fail("slow.within", "%s: want at most %s", FormatDuration(s.Within), FormatDuration(maxSlowWithin))
	}
	p.number("slow.accounts", f.Slow.Accounts, &s.Accounts, 2, maxSlowAccounts)
	p.number("slow.failures", f.Slow.Failures, &s.Failures, 3, 1000)
	p.number("slow.network_accounts", f.Slow.NetworkAccounts, &s.NetworkAccounts, 2, maxSlowAccounts)
	p.number("slow.addresses", f.Slow.Addresses, &s.Addresses, 2, maxSlowAddresses)
	p.number("slow.site_accounts", f.Slow.SiteAccounts, &s.SiteAccounts, 2, 10_000)
}

func (p *parser) database(f *file, d *Database) {
	in := &f.Database
	if in.Socket != nil && *in.Socket != "" {
		p.path("database.socket", in.Socket, &d.Socket)
	}
	set(in.User, &d.User)
	set(in.Name, &d.Name)
	if d.User == "" {
		p.fail("database.user", "missing: the name of the user that the daemon runs as")
	}
}

var rotateMethods = []string{"auto", "pjsip-file", "pjsip-realtime", "chan-sip", "iax2", "freepbx", "exec"}

func (p *parser) rotate(f *file, c *Config) {
	in, r := &f.Rotate, &c.Rotate
	set(in.Method, &r.Method)
	if !slices.Contains(rotateMethods, r.Method) {
		p.fail("rotate.method", "%q: want one of %s%s", r.Method, strings.Join(rotateMethods, ", "), meant(r.Method, rotateMethods...))
	}
	p.number("rotate.length", in.Length, &r.Length, 12, 64)
	r.Store = filepath.Join(c.Data, "secrets")
	if in.Store != nil && *in.Store != "" {
		p.path("rotate.store", in.Store, &r.Store)
	}
	set(in.Recipient, &r.Recipient)
	if r.Recipient != "" {
		if _, err := age.ParseX25519Recipient(r.Recipient); err != nil {
			p.fail("rotate.recipient", "not an age recipient: want the age1… line that age-keygen prints")
		}
	}
	set(in.Exec, &r.Exec)
	if r.Method == "exec" && len(r.Exec) == 0 {
		p.fail("rotate.exec", `missing: method "exec" needs a command, such as ["/usr/local/bin/rotate-secret"]`)
	}
	if len(r.Exec) > 0 {
		path, socket := strings.CutPrefix(r.Exec[0], "unix:")
		switch {
		case !filepath.IsAbs(path):
			p.fail("rotate.exec", `%q: want the absolute path of a command first, or of a socket, such as "unix:/run/tollwarden-hook.sock"`, r.Exec[0])
		case socket && len(r.Exec) > 1:
			p.fail("rotate.exec", "%q: a socket takes no arguments: they stand in its unit", r.Exec[1])
		}
	}
	p.duration("rotate.exec_within", in.ExecWithin, &r.ExecWithin)
	set(in.Realtime, &r.Realtime)
	set(in.DirectEdit, &r.DirectEdit)
}

// maxLived is how long the networks of an account are remembered after their last use.
const maxLived = 90 * 24 * time.Hour

func (p *parser) restrict(f *file, r *Restrict) {
	p.number("restrict.networks", f.Restrict.Networks, &r.Networks, 2, 30)
	set(f.Restrict.TrustSpoofable, &r.TrustSpoofable)
	p.duration("restrict.quiet", f.Restrict.Quiet, &r.Quiet)
	p.orOff("restrict.lived", f.Restrict.Lived, &r.Lived)
	if r.Lived > maxLived {
		p.fail("restrict.lived", "%q: want at most %s, which is how long networks are remembered", *f.Restrict.Lived, FormatDuration(maxLived))
	}
}

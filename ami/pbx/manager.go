package pbx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
)

var (
	_ contain.Calls    = (*Manager)(nil)
	_ contain.Accounts = (*Manager)(nil)
)

// Technology is the channel driver an account belongs to, spelled as in the
// names of its channels.
type Technology string

// The technologies that have accounts with secrets.
const (
	PJSIP   Technology = "PJSIP"
	ChanSIP Technology = "SIP"
)

var technologies = []Technology{PJSIP, ChanSIP}

// Method is a way to change a secret.
type Method string

// The ways to change a secret. Auto takes the hook when there is one, otherwise
// whatever holds the account's secret.
const (
	Auto          Method = ""
	PJSIPFile     Method = "pjsip-file"
	PJSIPRealtime Method = "pjsip-realtime"
	ChanSIPFile   Method = "chan_sip"
	Exec          Method = "exec"
)

// Options say how a Manager works. The zero value works beside an Asterisk that
// keeps its files in /etc/asterisk, but cannot rotate: that needs a Vault.
type Options struct {
	// Method forces one way to rotate. Auto by default.
	Method Method

	// ConfigDir is Asterisk's config folder as this process sees it
	// (default /etc/asterisk).
	ConfigDir string
	// DirectEdit never lets Asterisk rewrite its files: this process changes the
	// one line itself and renames the new file into place. The AMI user then
	// needs no write class config. By default Asterisk's UpdateConfig writes,
	// and this is the way out where UpdateConfig is known to do damage.
	DirectEdit bool
	// RealtimeFamily is the extconfig.conf family of PJSIP auth objects. Empty:
	// what sorcery.conf says, or ps_auths.
	RealtimeFamily string

	// SecretLength is how many characters a new secret has, 12 to 80 (default 24).
	SecretLength int
	// Vault keeps a new secret before Asterisk is changed. Rotate refuses to
	// work without one.
	Vault Vault
	// Hook is the operator's command that changes the secret.
	Hook Hook

	// VerifyWithin bounds the wait until Asterisk shows an effect (default 10 s).
	VerifyWithin time.Duration
	// Rounds bounds how often an effect is repeated until nothing is left of
	// what it ends (default 20).
	Rounds int
}

// Validate reports what is wrong with the options, naming the way out.
func (o Options) Validate() error {
	var errs []error
	if !slices.Contains([]Method{Auto, PJSIPFile, PJSIPRealtime, ChanSIPFile, Exec}, o.Method) {
		errs = append(errs, fmt.Errorf("rotation method %q: must be empty, %q, %q, %q or %q",
			o.Method, PJSIPFile, PJSIPRealtime, ChanSIPFile, Exec))
	}
	if o.Method == Exec && len(o.Hook.Command) == 0 {
		errs = append(errs, errors.New("rotation method exec: needs a hook command"))
	}
	if o.RealtimeFamily != "" && checkName(o.RealtimeFamily) != nil {
		errs = append(errs, fmt.Errorf("realtime family %q: only letters, digits, '_' and '-'", o.RealtimeFamily))
	}
	// chan_sip keeps 80 characters of a secret.
	if n := o.withDefaults().SecretLength; n < 12 || n > 80 {
		errs = append(errs, fmt.Errorf("secret length %d: must be 12 to 80", n))
	}
	return errors.Join(errs...)
}

// usualConfigDir is Asterisk's config folder unless somebody has moved it.
const usualConfigDir = "/etc/asterisk"

func (o Options) withDefaults() Options {
	o.ConfigDir = cmp.Or(o.ConfigDir, usualConfigDir)
	o.VerifyWithin = cmp.Or(o.VerifyWithin, 10*time.Second)
	o.Rounds = cmp.Or(o.Rounds, 20)
	o.SecretLength = cmp.Or(o.SecretLength, 24)
	return o
}

// Manager is Asterisk for the rest of the program: it answers questions about
// the PBX and acts on accounts and calls. It is safe for concurrent use; changes
// of Asterisk's files run one after another.
type Manager struct {
	d        ami.Doer
	o        Options
	invalid  error
	changing chan struct{} // holds one token while a change of files is under way
	names    resolver
}

// New returns a Manager that speaks through d: a Link, or a single connection.
// Options that do not Validate make Rotate fail with their error; everything
// else works.
func New(d ami.Doer, o Options) *Manager {
	return &Manager{d: d, o: o.withDefaults(), invalid: o.Validate(), changing: make(chan struct{}, 1)}
}

// ErrNoAccount reports a name that is neither a PJSIP endpoint nor a chan_sip
// peer of this Asterisk. It is an incident.ErrRefused.
var ErrNoAccount = fmt.Errorf("%w: no such account", incident.ErrRefused)

// PermissionError reports an action that the AMI user may not do.
type PermissionError struct {
	Action  string   // the AMI action Asterisk refused
	Classes []string // any one of these write classes allows it
}

// Error names the action and what to add to manager.conf.
func (e *PermissionError) Error() string {
	return fmt.Sprintf("AMI user may not do %s: add %s to its write= line in manager.conf, then `manager reload`",
		e.Action, strings.Join(e.Classes, " or "))
}

// do sends one action and turns Asterisk's refusal into a PermissionError.
func (m *Manager) do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	r, err := m.d.Do(ctx, a)
	if answered(err, "Permission denied") {
		return nil, &PermissionError{Action: a.Name, Classes: classesOf(a.Name)}
	}
	return r, err
}

// session is a goami.Client for one action.
func (m *Manager) session() *ami.Session { return ami.NewSession(doer(m.do)) }

type doer func(ctx context.Context, a ami.Action) (*ami.Response, error)

func (d doer) Do(ctx context.Context, a ami.Action) (*ami.Response, error) { return d(ctx, a) }

// command runs one CLI command and returns its output. The line must hold no
// text from outside that has not passed checkName: the CLI has its own quoting.
func (m *Manager) command(ctx context.Context, line string) ([]string, error) {
	r, err := goami.Command(ctx, m.session(), "", line)
	return r["Output"], err
}

// several is more than one error in one line.
type several []error

func (s several) Error() string {
	var lines []string
	for _, err := range s {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "; ")
}

func (s several) Unwrap() []error { return s }

// join is errors.Join in one line.
func join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return several(errs)
}

// answered reports whether err is Asterisk's own error that begins with text.
func answered(err error, text string) bool {
	var e *ami.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Message, text)
}

// unknownAction reports whether Asterisk does not have the action at all: the
// module that brings it is not loaded.
func unknownAction(err error) bool { return answered(err, "Invalid/unknown command") }

// eventually asks ok at growing intervals until it holds, fails, or the time is
// over; it reports whether it held.
func eventually(ctx context.Context, within time.Duration, ok func() (bool, error)) (bool, error) {
	deadline := time.Now().Add(within)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		held, err := ok()
		if held || err != nil || time.Now().Add(pause).After(deadline) {
			return held, err
		}
		if err := sleep(ctx, pause); err != nil {
			return false, err
		}
	}
}

// sleep waits for d or for the end of ctx, which is its error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

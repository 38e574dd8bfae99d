package pbx

import (
	"context"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/contain"
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

// do sends one action and turns Asterisk's refusal into a PermissionError.
func (m *Manager) do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	r, err := m.d.Do(ctx, a)
	if answered(err, "Permission denied") {
		return nil, &PermissionError{Action: a.Name, Classes: classesOf(a.Name)}
	}
	return r, err
}

// session is a goami.Client for one action, which sees only the named headers of
// list items, or all.
func (m *Manager) session(headers ...string) *ami.Session {
	return ami.NewSession(doer(m.do), headers...)
}

type doer func(ctx context.Context, a ami.Action) (*ami.Response, error)

func (d doer) Do(ctx context.Context, a ami.Action) (*ami.Response, error) { return d(ctx, a) }

// command runs one CLI command and returns its output. The line must hold no
// text from outside that has not passed checkName: the CLI has its own quoting.
func (m *Manager) command(ctx context.Context, line string) ([]string, error) {
	r, err := goami.Command(ctx, m.session(), "", line)
	return r["Output"], err
}

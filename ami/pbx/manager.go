package pbx

import (
	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/contain"
)

var (
	_ contain.Calls    = (*Manager)(nil)
	_ contain.Accounts = (*Manager)(nil)
)

// Manager is Asterisk for the rest of the program: it answers questions about
// the PBX and acts on accounts and calls. It is safe for concurrent use; changes
// of Asterisk's files run one after another.
type Manager struct {
	asterisk
	inventory
	carriers
	hangups
	registrations
	*editor
	database
	o       Options
	invalid error
}

// New returns a Manager that speaks through d: a Link, or a single connection.
// Options that do not Validate make Rotate fail with their error; everything
// else works.
func New(d ami.Doer, o Options) *Manager {
	ast := asterisk{d}
	inv := inventory{ast}
	valid := o.Validate()
	o = o.withDefaults()
	return &Manager{
		asterisk: ast, inventory: inv, carriers: carriers{asterisk: ast, inventory: inv},
		hangups:       hangups{asterisk: ast, inventory: inv, rounds: o.Rounds},
		registrations: registrations{asterisk: ast, inventory: inv, rounds: o.Rounds},
		o:             o, invalid: valid,
		editor:   &editor{asterisk: ast, folder: folder(o.ConfigDir), direct: o.DirectEdit, within: o.VerifyWithin, changing: make(chan struct{}, 1)},
		database: database{ast, o.VerifyWithin},
	}
}

package pbx

import (
	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/responder/contain"
)

var (
	_ contain.Calls    = (*Manager)(nil)
	_ contain.Accounts = (*Manager)(nil)
	_ contain.Standing = (*Manager)(nil)
)

// Manager is Asterisk for the rest of the program: it answers questions about
// the PBX and acts on accounts and calls. It is safe for concurrent use; changes
// of Asterisk's files run one after another.
type Manager struct {
	inventory
	carriers
	listeners
	hangups
	registrations
	rotations
	locks
	restrictions
	standing
	evictions
	audit
}

// New returns a Manager that speaks through d: a Link, or a single connection.
// Options that do not Validate make Rotate fail with their error; everything
// else works.
func New(d ami.Doer, o Options) *Manager {
	o = o.withDefaults()
	ast := asterisk{d}
	inv := inventory{ast}
	sqldb := mariadb.Open(o.Database)
	db := database{asterisk: ast, within: o.VerifyWithin}
	if o.Database.Name != "" {
		db.rows = sqldb
	}
	ed := newEditor(ast, o)
	return &Manager{
		inventory:     inv,
		carriers:      carriers{asterisk: ast, inventory: inv},
		listeners:     listeners{ast},
		hangups:       hangups{ast, inv, o.Rounds},
		registrations: registrations{ast, inv, o.Rounds},
		rotations:     rotations{ast, ed, db, sqldb, o},
		standing:      standing{ast, rotations{ast, ed, db, sqldb, o}, ed, o.Fingerprints},
		locks:         locks{ast, ed, db, o.VerifyWithin},
		restrictions:  restrictions{ast, ed, db, o.VerifyWithin},
		evictions:     evictions{ast, inv, hangups{ast, inv, o.Rounds}, registrations{ast, inv, o.Rounds}},
		audit:         audit{ast, o},
	}
}

package ledger

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
)

// schema is the complete current schema, for a new file.
//
//go:embed schema.sql
var schema string

// migrations[i] brings a file of version i+1 to version i+2. All of them stay: a
// file may be as old as version 1.
var migrations = []string{
	`CREATE TABLE calls (
	  incident INTEGER NOT NULL, -- incidents.id
	  channel  TEXT    NOT NULL, -- as Asterisk named it
	  account  TEXT    NOT NULL,
	  dialled  TEXT    NOT NULL, -- as the caller dialled it
	  country  TEXT    NOT NULL, -- ISO 3166 code of where that is; empty: unknown
	  began    INTEGER NOT NULL, -- when the channel came up
	  ended    INTEGER,          -- NULL: it was up when last heard of
	  PRIMARY KEY (incident, channel)
	) STRICT, WITHOUT ROWID;`,
	// What is usual for an account.
	`CREATE TABLE habits (
  account TEXT    NOT NULL,
  kind    TEXT    NOT NULL,
  value   TEXT    NOT NULL,
  first   INTEGER NOT NULL,
  last    INTEGER NOT NULL,
  PRIMARY KEY (account, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX habits_last ON habits (last);`,
	`ALTER TABLE evidence ADD COLUMN raw BLOB NOT NULL DEFAULT x''; -- what it was read from
ALTER TABLE calls ADD COLUMN answered INTEGER; -- NULL: not that is known
UPDATE calls SET answered = began; -- at the earliest`,
	`CREATE TABLE holds (
  account TEXT    NOT NULL,
  kind    TEXT    NOT NULL, -- lock | restriction
  value   TEXT    NOT NULL, -- what gives it back: the contexts of before, or the networks
  since   INTEGER NOT NULL,
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;
` + moveHolds,
	`CREATE TABLE repeats (
  prefix TEXT    NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL, -- from 1
  last   INTEGER NOT NULL  -- when the last of these bans began
) STRICT, WITHOUT ROWID;
CREATE INDEX repeats_last ON repeats (last);
CREATE TABLE guesses (
  account   TEXT    NOT NULL,
  prefix    TEXT    NOT NULL, -- the source: /32 or /64
  first     INTEGER NOT NULL,
  last      INTEGER NOT NULL,
  failures  INTEGER NOT NULL, -- 0: it no longer counts
  proven    INTEGER NOT NULL, -- of them
  port      INTEGER NOT NULL,
  transport TEXT    NOT NULL,
  signal    TEXT    NOT NULL, -- of the newest failure
  own       INTEGER NOT NULL, -- 1: by a phone of the account with an old password
  PRIMARY KEY (account, prefix)
) STRICT, WITHOUT ROWID;
CREATE INDEX guesses_last ON guesses (last);`,
	// What calls cost.
	`ALTER TABLE calls ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN currency TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN estimate INTEGER NOT NULL DEFAULT 0;
CREATE TABLE spending (
  hour     INTEGER NOT NULL, -- since 1970
  account  TEXT    NOT NULL, -- empty: unknown
  trunk    TEXT    NOT NULL, -- empty: unknown
  place    TEXT    NOT NULL, -- ISO 3166 code of the country, or the kind of number; empty: unknown
  risky    INTEGER NOT NULL, -- 1: known for fraud
  closed   INTEGER NOT NULL, -- 1: outside working hours
  forgiven INTEGER NOT NULL, -- 1: no longer counts towards limits
  millis   INTEGER NOT NULL, -- that calls lasted
  calls    INTEGER NOT NULL,
  money    INTEGER NOT NULL, -- in millionths of the currency
  estimate INTEGER NOT NULL, -- 1: some of the money is at default rates
  PRIMARY KEY (hour, account, trunk, place, risky, closed, forgiven)
) STRICT, WITHOUT ROWID;`,
	// Locks and restrictions that stand become orders.
	`CREATE TABLE orders (
  account  TEXT    NOT NULL,
  kind     TEXT    NOT NULL, -- lock | restrict | rotate
  state    TEXT    NOT NULL, -- in force | being put back | cannot be put back | gave up | ended by a person | account gone
  reason   TEXT    NOT NULL, -- why it is in that state; never a secret
  created  INTEGER NOT NULL,
  since    INTEGER NOT NULL, -- of the state
  incident INTEGER NOT NULL, -- that led to it; 0: a person did
  networks TEXT    NOT NULL, -- of a restriction
  new      TEXT    NOT NULL, -- keyed fingerprints of the password that was set; empty: it could not be
  old      TEXT    NOT NULL, -- those of what it replaced
  repairs  TEXT    NOT NULL, -- when it was put back within the last hour
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;
` + ordersFromHolds,
}

// oldHolds selects the locks and restrictions, which were stored as habits up to
// version 4.
const oldHolds = `SELECT account, CASE kind WHEN 'locked' THEN 'lock' ELSE 'restriction' END, value, first
  FROM habits WHERE kind IN ('locked', 'restricted')`

// moveHolds moves them to their own table. The newest of each kind counts; a hold
// that is already there is newer than all of them.
const moveHolds = `INSERT OR IGNORE INTO holds (account, kind, value, since) ` + oldHolds + ` ORDER BY last DESC;
DELETE FROM habits WHERE kind IN ('locked', 'restricted');`

// ordersFromHolds makes orders of the locks and restrictions that stand.
const ordersFromHolds = `INSERT OR IGNORE INTO orders (account, kind, state, reason, created, since, incident, networks, new, old, repairs)
  SELECT account, CASE kind WHEN 'lock' THEN 'lock' ELSE 'restrict' END, 'in force', '', since, since, 0,
    CASE kind WHEN 'lock' THEN '' ELSE value END, '', '', ''
  FROM holds WHERE kind IN ('lock', 'restriction') AND account <> '';`

// schemaVersion is the version of schema, kept in the file as PRAGMA user_version.
func schemaVersion() int { return 1 + len(migrations) }

// ErrNewer reports a ledger that a newer version of Tollwarden wrote.
var ErrNewer = errors.New("the ledger is newer than this program")

// ErrForeign reports a database that is not a ledger.
var ErrForeign = errors.New("the file is another program's database")

// version is the file's schema version; 0: it is empty. It refuses what this
// program must not touch.
func (w *writer) version() (int, error) {
	var version, tables int
	ctx := context.Background()
	if err := w.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	if err := w.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	switch {
	case version > schemaVersion():
		return 0, fmt.Errorf("%w: its schema version is %d, this program supports up to %d: install the newer tollwarden again, or move the file away", ErrNewer, version, schemaVersion())
	case version == 0 && tables > 0:
		return 0, fmt.Errorf("%w: move it away, or set another data folder", ErrForeign)
	}
	return version, nil
}

// migrate updates the file to the current schema in one transaction. It takes the
// write lock even if there is nothing to do, to check that it can write.
func (w *writer) migrate() error {
	return w.transaction(func() error {
		from, err := w.version()
		if err != nil || from == schemaVersion() {
			return err
		}
		if from == 0 {
			err = w.direct(schema)
		}
		for i := from; err == nil && from > 0 && i < schemaVersion(); i++ {
			err = w.direct(migrations[i-1])
		}
		if err != nil {
			return fmt.Errorf("migrate the schema from version %d to %d: %w", from, schemaVersion(), err)
		}
		return w.direct(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion()))
	})
}

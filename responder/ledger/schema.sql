-- The ledger's schema, version 8. Times are integer milliseconds since the
-- Unix epoch, UTC. Prefixes are text in canonical form, "192.0.2.7/32". There
-- is no column for a secret, and there must never be one.

-- Every episode of a ban. The episode of a prefix that was neither released
-- nor ran out is the ban in force; the others are history.
CREATE TABLE bans (
  prefix      TEXT    NOT NULL, -- what is dropped, masked
  since       INTEGER NOT NULL, -- when this episode began
  until       INTEGER,          -- when it runs out; NULL: not before a person releases it
  reason      TEXT    NOT NULL, -- in words, for a person
  origin      TEXT    NOT NULL, -- a threshold's name, "operator", "kernel", …
  offence     INTEGER NOT NULL, -- which offence of this source it answers, from 1; 0: none
  incident    INTEGER NOT NULL, -- the incident it belongs to; 0: none
  scope       TEXT    NOT NULL, -- what of the source's traffic is dropped
  released_at INTEGER,          -- when it was ended before its time; NULL: it was not
  released_by TEXT,             -- who ended it; "replaced": a later ban of the same prefix
  PRIMARY KEY (prefix, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX bans_current ON bans (until) WHERE released_at IS NULL;
CREATE INDEX bans_since ON bans (since);

-- One row for each offence; those within `forget` make the rung of the ladder.
CREATE TABLE offences (
  prefix TEXT    NOT NULL, -- the source: /32 or /64
  at     INTEGER NOT NULL, -- when it crossed a threshold
  PRIMARY KEY (prefix, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX offences_at ON offences (at);

-- How many times in a row a source or a network was banned on evidence that may be
-- spoofed: the rung of the ladder of such bans.
CREATE TABLE repeats (
  prefix TEXT    NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL, -- from 1
  last   INTEGER NOT NULL  -- when the last of these bans began
) STRICT, WITHOUT ROWID;
CREATE INDEX repeats_last ON repeats (last);

-- AUTOINCREMENT keeps ids rising even when all incidents have been pruned.
CREATE TABLE incidents (
  id        INTEGER PRIMARY KEY AUTOINCREMENT, -- given in memory, 1, 2, 3, …
  at        INTEGER NOT NULL, -- when the threshold was crossed
  key_kind  TEXT    NOT NULL, -- source | network | account | site
  key_value TEXT    NOT NULL, -- the prefix, the account's name or "site"
  threshold TEXT    NOT NULL, -- the rule's name
  playbook  TEXT    NOT NULL, -- what it ran
  reason    TEXT    NOT NULL, -- in words, for a person
  mode      TEXT    NOT NULL, -- enforce | observe | paused
  account   TEXT    NOT NULL, -- the account concerned; empty: none
  source    TEXT    NOT NULL  -- the address concerned; empty: none
) STRICT;
CREATE INDEX incidents_at ON incidents (at);

-- What a playbook did: written as intended first, then with its outcome.
CREATE TABLE steps (
  incident   INTEGER NOT NULL, -- incidents.id
  n          INTEGER NOT NULL, -- place within the playbook
  step       TEXT    NOT NULL, -- ban, rotate, remove-registrations, hangup, …
  target     TEXT    NOT NULL, -- what it acts on: prefix, account
  state      TEXT    NOT NULL, -- intended | done | failed | skipped
  detail     TEXT    NOT NULL, -- outcome, or why it failed or was skipped; never a secret
  started_at INTEGER,          -- NULL: not begun
  took       INTEGER NOT NULL, -- microseconds
  PRIMARY KEY (incident, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX steps_open ON steps (incident) WHERE state = 'intended';

-- The observations that led to an incident.
CREATE TABLE evidence (
  incident  INTEGER NOT NULL, -- incidents.id
  n         INTEGER NOT NULL, -- rises in the order written; says nothing else
  at        INTEGER NOT NULL, -- when it was observed
  signal    TEXT    NOT NULL, -- InvalidPassword, …
  source    TEXT    NOT NULL, -- the address; empty: unknown
  port      INTEGER NOT NULL, -- its port; 0: unknown
  transport TEXT    NOT NULL, -- UDP, TCP, TLS, WS, WSS; empty: unknown
  proof     TEXT    NOT NULL, -- spoofable | proven; claimed, in old rows, is spoofable
  account   TEXT    NOT NULL, -- the account named, as the network spelt it
  session   TEXT    NOT NULL, -- Asterisk's session id
  raw       BLOB    NOT NULL DEFAULT x'', -- what it was read from, without digests; empty: unknown
  PRIMARY KEY (incident, n)
) STRICT, WITHOUT ROWID;

-- The calls of the account that an incident is about.
CREATE TABLE calls (
  incident INTEGER NOT NULL, -- incidents.id
  channel  TEXT    NOT NULL, -- as Asterisk named it
  account  TEXT    NOT NULL,
  dialled  TEXT    NOT NULL, -- as the caller dialled it
  country  TEXT    NOT NULL, -- ISO 3166 code of where that is; empty: unknown
  began    INTEGER NOT NULL, -- when the channel came up
  ended    INTEGER,          -- NULL: it was up when last heard of
  answered INTEGER,          -- NULL: it was not, as far as is known
  cost     INTEGER NOT NULL DEFAULT 0,  -- about, in millionths of the currency
  currency TEXT    NOT NULL DEFAULT '', -- empty: the cost is not known
  estimate INTEGER NOT NULL DEFAULT 0,  -- 1: at a default rate
  PRIMARY KEY (incident, channel)
) STRICT, WITHOUT ROWID;

-- From where an account has signed in.
CREATE TABLE places (
  account      TEXT    NOT NULL,
  prefix       TEXT    NOT NULL, -- the source: /32 or /64
  last_success INTEGER NOT NULL, -- newest success, to about a minute
  PRIMARY KEY (account, prefix)
) STRICT, WITHOUT ROWID;
CREATE INDEX places_last_success ON places (last_success);

-- What is usual for an account; without an account, for the daemon itself.
CREATE TABLE habits (
  account TEXT    NOT NULL,
  kind    TEXT    NOT NULL, -- country | network | call | watch | slow guessing
  value   TEXT    NOT NULL, -- the country or the network; the proof of slow guessing; empty for the other kinds
  first   INTEGER NOT NULL,
  last    INTEGER NOT NULL, -- to about a day
  PRIMARY KEY (account, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX habits_last ON habits (last);

-- What addresses failed for accounts and counts for days.
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
CREATE INDEX guesses_last ON guesses (last);

-- What calls cost that go abroad or to costly numbers, by the hour.
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
) STRICT, WITHOUT ROWID;

-- What is taken from an account until it is given back, and what a person asked for.
CREATE TABLE holds (
  account TEXT    NOT NULL, -- empty: all of them
  kind    TEXT    NOT NULL, -- lock | restriction | stolen | waiting | pause | resumed
  value   TEXT    NOT NULL, -- the contexts of before, the networks, where the others are, which steps wait, until when
  since   INTEGER NOT NULL,
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;

-- What must stay in force for accounts, whatever other programs write into Asterisk's
-- files, and what of that ended lately.
CREATE TABLE orders (
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

-- What people did through the control socket.
CREATE TABLE actions (
  id     INTEGER PRIMARY KEY, -- rises in the order written; says nothing else
  at     INTEGER NOT NULL,
  uid    INTEGER NOT NULL, -- the caller's user id; -1: the daemon itself, 4294967295: unknown
  action TEXT    NOT NULL, -- ban, unban, allow, rotate, …
  target TEXT    NOT NULL, -- what it was done to
  detail TEXT    NOT NULL  -- duration, reason, what changed
) STRICT;
CREATE INDEX actions_at ON actions (at);

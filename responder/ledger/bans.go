package ledger

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// replaced is recorded as the one who ended a ban that a newer ban replaced.
const replaced = "replaced"

// PutBan records a ban in force. A ban with the same prefix and Since is updated;
// with another Since, a new episode begins and the previous one ends. It does not
// wait, but makes the owner write at once: put what belongs to the ban first.
func (l *Ledger) PutBan(b incident.Ban) {
	if !b.Prefix.IsValid() {
		l.refuse(kindBan)
		return
	}
	b.Prefix = b.Prefix.Masked()
	b.Since, b.Until = moment(b.Since), moment(b.Until)
	b.Reason, b.Origin, b.Scope = text(b.Reason), text(b.Origin), text(b.Scope)
	l.put(putBan{b})
	signal(l.hurryC)
}

// DeleteBan records that an operator or a rule ended the ban of prefix early. If
// none is in force, nothing happens. It does not wait.
func (l *Ledger) DeleteBan(prefix netip.Prefix, at time.Time, by string) {
	if !prefix.IsValid() {
		l.refuse(kindBan)
		return
	}
	l.put(releaseBan{prefix.Masked(), moment(at), text(by)})
}

type putBan struct{ incident.Ban }

func (putBan) kind() kind { return kindBan }
func (c putBan) key() any { return c.Prefix }
func (putBan) rows() int  { return 1 }

func (c putBan) merge(newer change) (change, bool) {
	if n, ok := newer.(putBan); ok && n.Since.Equal(c.Since) {
		return n, true
	}
	return nil, false
}

func (c putBan) write(w *writer) error {
	prefix, since := c.Prefix.String(), c.Since.UnixMilli()
	err := w.exec(`UPDATE bans SET released_at = ?2, released_by = ?3
		WHERE prefix = ?1 AND since <> ?2 AND released_at IS NULL AND (until IS NULL OR until > ?2)`, prefix, since, replaced)
	if err != nil {
		return err
	}
	return w.exec(`INSERT OR REPLACE INTO bans (prefix, since, until, reason, origin, offence, incident, scope)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, prefix, since, millis(c.Until), c.Reason, c.Origin, c.Offence, c.Incident, c.Scope)
}

type releaseBan struct {
	prefix netip.Prefix
	at     time.Time
	by     string
}

func (releaseBan) kind() kind { return kindBan }
func (c releaseBan) key() any { return c.prefix }
func (releaseBan) rows() int  { return 1 }

// merge drops a second release: after the first there is nothing to end.
func (c releaseBan) merge(newer change) (change, bool) {
	_, again := newer.(releaseBan)
	return c, again
}

func (c releaseBan) write(w *writer) error {
	return w.exec(`UPDATE bans SET released_at = ?2, released_by = ?3
		WHERE prefix = ?1 AND released_at IS NULL AND (until IS NULL OR until > ?2)`, c.prefix.String(), c.at.UnixMilli(), c.by)
}

package ledger

import (
	"net/netip"
	"time"
)

// AddOffence records that a source offended. Two at the same millisecond are
// one. It does not wait.
func (l *Ledger) AddOffence(prefix netip.Prefix, at time.Time) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(addOffence{prefix.Masked(), moment(at)})
}

// ForgetOffences removes all offences of a source, for an operator who forgives.
// It does not wait.
func (l *Ledger) ForgetOffences(prefix netip.Prefix) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(forget{prefix.Masked()})
}

type addOffence struct {
	prefix netip.Prefix
	at     time.Time
}

func (addOffence) kind() kind { return kindOffence }
func (c addOffence) key() any { return c.prefix }
func (addOffence) rows() int  { return 1 }

func (c addOffence) merge(newer change) (change, bool) {
	return c, newer == change(c)
}

func (c addOffence) write(w *writer) error {
	return w.exec(`INSERT OR IGNORE INTO offences (prefix, at) VALUES (?, ?)`, c.prefix.String(), c.at.UnixMilli())
}

type forget struct{ prefix netip.Prefix }

func (forget) kind() kind { return kindOffence }
func (c forget) key() any { return c.prefix }
func (forget) rows() int  { return 1 }

func (c forget) merge(newer change) (change, bool) {
	return c, newer == change(c)
}

func (c forget) write(w *writer) error {
	return w.exec(`DELETE FROM offences WHERE prefix = ?`, c.prefix.String())
}

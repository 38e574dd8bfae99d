package ledger

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/orders"
)

// PutOrder records an order as it stands. It replaces the one of the same account and kind.
// It does not wait.
func (l *Ledger) PutOrder(o orders.Order) {
	o.Account, o.Kind, o.State, o.Reason = text(o.Account), text(o.Kind), text(o.State), text(o.Reason)
	o.Networks, o.Created, o.Since = bounded(o.Networks, maxHold), moment(o.Created), moment(o.Since)
	l.put(putOrder{orderKey{o.Account, o.Kind}, orderRow{
		o.State, o.Reason, o.Created.UnixMilli(), o.Since.UnixMilli(), o.Incident, o.Networks,
		orders.Text(o.New), orders.Text(o.Old), repairsText(o.Repairs),
	}})
}

// DropOrder removes an order. It does not wait.
func (l *Ledger) DropOrder(account string, kind orders.Kind) {
	l.put(dropOrder{orderKey{text(account), text(kind)}})
}

// Orders returns all orders, by account and kind.
func (l *Ledger) Orders(ctx context.Context) ([]orders.Order, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]orders.Order, error) {
		var version int
		if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version < ordersVersion {
			return nil, err
		}
		rows, err := db.QueryContext(ctx, `SELECT account, kind, state, reason, created, since, incident, networks, new, old, repairs FROM orders ORDER BY account, kind`)
		return collect(rows, err, func(rows *sql.Rows) (o orders.Order, err error) {
			var created, since sql.NullInt64
			var fresh, old, repairs string
			err = rows.Scan(&o.Account, &o.Kind, &o.State, &o.Reason, &created, &since, &o.Incident, &o.Networks, &fresh, &old, &repairs)
			o.Created, o.Since = fromMillis(created), fromMillis(since)
			o.New, o.Old, o.Repairs = orders.ParseText(fresh), orders.ParseText(old), parseRepairs(repairs)
			return o, err
		})
	})
}

// ordersVersion is the first schema version with orders.
const ordersVersion = 8

func repairsText(list []time.Time) string {
	words := make([]string, len(list))
	for i, at := range list {
		words[i] = strconv.FormatInt(at.UnixMilli(), 10)
	}
	return strings.Join(words, " ")
}

func parseRepairs(s string) (list []time.Time) {
	for word := range strings.FieldsSeq(s) {
		if ms, err := strconv.ParseInt(word, 10, 64); err == nil {
			list = append(list, time.UnixMilli(ms))
		}
	}
	return list
}

type orderKey struct {
	account string
	order   orders.Kind
}

// orderRow is what a row holds besides its key.
type orderRow struct {
	state              orders.State
	reason             string
	created, since     int64
	incident           int64
	networks           string
	fresh, old, repair string
}

type putOrder struct {
	orderKey
	row orderRow
}

func (putOrder) kind() kind { return kindOrder }
func (c putOrder) key() any { return c.orderKey }
func (putOrder) rows() int  { return 1 }

func (putOrder) merge(newer change) (change, bool) { return newer, true }

func (c putOrder) write(w *writer) error {
	r := c.row
	return w.exec(`INSERT OR REPLACE INTO orders (account, kind, state, reason, created, since, incident, networks, new, old, repairs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.account, c.order, r.state, r.reason, r.created, r.since, r.incident, r.networks, r.fresh, r.old, r.repair)
}

type dropOrder struct{ orderKey }

func (dropOrder) kind() kind { return kindOrder }
func (c dropOrder) key() any { return c.orderKey }
func (dropOrder) rows() int  { return 1 }

func (dropOrder) merge(newer change) (change, bool) { return newer, true }

func (c dropOrder) write(w *writer) error {
	return w.exec(`DELETE FROM orders WHERE account = ? AND kind = ?`, c.account, c.order)
}

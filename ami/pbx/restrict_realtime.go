package pbx

import (
	"context"
	"errors"
	"fmt"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
)

// errNoDatabase says what a restriction of an account in a database takes.
var errNoDatabase = errors.New("the endpoint is in no config file (realtime): set [database] name, so that its row can be changed, or its deny and permit there")

// setRowRules does with the row of an endpoint in a realtime database what setRulesIn does
// with its section of a file: deny and permit, which are columns there.
func (res *restrictions) setRowRules(ctx context.Context, s sorcery, name string, r rules, live func(ctx context.Context, want bool) error) (string, error) {
	db := res.database
	if db.rows == nil {
		return "", errNoDatabase
	}
	table, err := db.table(ctx, s.endpointFamily)
	if err != nil {
		return "", err
	}
	now, err := db.rows.Row(ctx, table, name, "deny", "permit")
	if errors.Is(err, mariadb.ErrNoRow) && !r.up {
		return "the endpoint is in no config file and in no row, so nothing restricts it", nil
	}
	if err != nil {
		return "", err
	}
	there := [2]string{now[0].Value, now[1].Value}
	ours := [2]string{everybody, r.permit()}
	none := [2]string{}
	to, what := ours, "limited to "+r.permit()
	if !r.up {
		to, what = none, "restriction lifted"
	}
	switch {
	case r.up && there == ours:
		return "limited to its known networks already", nil
	case r.up && there != none:
		return "", errors.New("its row has a deny or permit of its own: change them by hand, or leave restrict out of the playbook")
	case !r.up && there == none:
		return "it was not limited any more", nil
	case !r.up && there != ours:
		return "somebody else changed its deny and permit, which stay", nil
	}
	set := func(ctx context.Context, v [2]string) error {
		err := db.rows.SetRow(ctx, table, name, mariadb.Column{Name: "deny", Value: v[0]}, mariadb.Column{Name: "permit", Value: v[1]})
		db.expireCaches(ctx, s.endpointCaches, name)
		return err
	}
	if err := set(ctx, to); err != nil {
		return "", err
	}
	if err := live(ctx, r.up); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), res.within)
		defer cancel()
		if uerr := set(ctx, there); uerr != nil {
			return "", fmt.Errorf("%w; and the old deny and permit are not back: %w: %w", err, uerr, ErrUncertain)
		}
		return "", fmt.Errorf("%w; the old deny and permit are back", err)
	}
	return fmt.Sprintf("%s: deny and permit in row %s of %s, live value checked", what, name, table), nil
}

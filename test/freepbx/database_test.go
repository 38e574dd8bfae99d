package freepbx_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/test/freepbx"
)

// The database user can set a password and press no more than the red button; it reads no
// password, deletes nothing and renames nothing.
func TestRightsOfTheDatabaseUser(t *testing.T) {
	server := freepbx.NewServer(t)
	tables, err := freepbx.NewTables(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tables.DB.Close() })
	for _, e := range freepbx.Extensions("pjsip") {
		if err := tables.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	o := mariadb.Options{Socket: server.Socket, User: me}
	db := mariadb.Open(o)
	t.Cleanup(func() { db.Close() })
	server.Limit(t, me)
	if err := db.TryExtension(t.Context(), "1002", "secret"); !errors.Is(err, mariadb.ErrDenied) || !strings.Contains(err.Error(), "setup --database") {
		t.Errorf("without rights: %v", err)
	}
	server.Limit(t, me, append(o.Create(), o.FreePBXGrants()...)...)
	before, err := tables.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.TryExtension(t.Context(), "1002", "secret"); err != nil {
		t.Errorf("a trial: %v", err)
	}
	if after, err := tables.Rows(t.Context()); err != nil || !slices.Equal(before, after) {
		t.Errorf("a trial changes %q, %v", freepbx.Changed(before, after), err)
	}
	for name, err := range map[string]error{
		"another extension": db.SetExtension(t.Context(), "1999", "secret", "x"),
		"a trunk":           db.Extension(t.Context(), "carrier", "secret"),
	} {
		if !errors.Is(err, mariadb.ErrNoRow) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(db.SetExtension(t.Context(), "1002", "secret", `x"'; DROP TABLE sip; -- \`), db.NeedReload(t.Context())); err != nil {
		t.Error(err)
	}
	var secret string
	if err := tables.DB.QueryRowContext(t.Context(), "SELECT data FROM sip WHERE id = '1002' AND keyword = 'secret'").Scan(&secret); err != nil || secret != `x"'; DROP TABLE sip; -- \` {
		t.Errorf("the database has %q, %v", secret, err)
	}
	mine, err := server.Login(me, "", freepbx.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mine.Close() })
	for _, statement := range []string{
		"SELECT data FROM sip", "SELECT * FROM sip", "DELETE FROM sip WHERE id = '1002'", "UPDATE sip SET id = '1' WHERE id = '1002'",
		"UPDATE sip SET keyword = 'x' WHERE id = '1002' AND keyword = 'secret'", "INSERT INTO sip VALUES ('1', 'secret', 'x', 0)", "UPDATE admin SET variable = 'x'",
		"SELECT * FROM users", "SELECT * FROM pjsip", "SELECT id FROM sip WHERE data LIKE 'm%'", "DROP TABLE sip", "SELECT * FROM mysql.user",
	} {
		if _, err := mine.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("may: %s", statement)
		}
	}

	// PJSIP realtime, in a database of its own.
	for _, statement := range []string{
		"CREATE DATABASE realtime", "CREATE TABLE realtime.ps_auths (id VARCHAR(255) PRIMARY KEY, auth_type VARCHAR(20), username VARCHAR(40), password VARCHAR(80), md5_cred VARCHAR(40))",
		"CREATE TABLE realtime.ps_endpoints (id VARCHAR(255) PRIMARY KEY, auth VARCHAR(255), context VARCHAR(40), deny VARCHAR(95), permit VARCHAR(95))",
		"INSERT INTO realtime.ps_auths VALUES ('1101', 'userpass', '1101', 'made-up-secret', NULL)", "INSERT INTO realtime.ps_endpoints VALUES ('1101', '1101', 'internal', NULL, NULL)",
	} {
		if _, err := server.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	o.Name = "realtime"
	rows := mariadb.Open(o)
	t.Cleanup(func() { rows.Close() })
	if err := rows.TryRow(t.Context(), "ps_auths", "1101", "password"); !errors.Is(err, mariadb.ErrDenied) {
		t.Errorf("realtime without rights: %v", err)
	}
	server.Limit(t, me, o.RealtimeGrants("ps_auths", "ps_endpoints")...)
	err = errors.Join(
		rows.TryRow(t.Context(), "ps_auths", "1101", "password"), rows.SetRow(t.Context(), "ps_auths", "1101", mariadb.Column{Name: "password", Value: "fresh"}),
		rows.SetRow(t.Context(), "ps_endpoints", "1101", mariadb.Column{Name: "deny", Value: "0.0.0.0/0"}, mariadb.Column{Name: "permit", Value: "198.51.100.0/24"}, mariadb.Column{Name: "context", Value: "tollwarden-locked"}),
	)
	got, rerr := rows.Row(t.Context(), "ps_endpoints", "1101", "context", "deny", "permit")
	if err != nil || rerr != nil || got[0].Value != "tollwarden-locked" || got[1].Value != "0.0.0.0/0" || got[2].Value != "198.51.100.0/24" {
		t.Errorf("realtime: %v, %v, %v", got, err, rerr)
	}
	if err := rows.SetRow(t.Context(), "ps_endpoints", "1101", mariadb.Column{Name: "deny"}); err != nil {
		t.Errorf("set to NULL: %v", err)
	}
	if _, err := rows.Row(t.Context(), "ps_auths", "1101", "password"); !errors.Is(err, mariadb.ErrDenied) {
		t.Errorf("a password could be read: %v", err)
	}
	if err := rows.SetRow(t.Context(), "ps_auths", "1999", mariadb.Column{Name: "password", Value: "x"}); !errors.Is(err, mariadb.ErrNoRow) {
		t.Errorf("no such row: %v", err)
	}
}

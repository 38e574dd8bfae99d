package lab

import (
	"database/sql"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver called sqlite
)

// RealtimeAccount is the account that only the database knows, with Options.Realtime.
const RealtimeAccount = "1101"

// realtimeSchema is as much of Asterisk's own as one account needs; Asterisk adds columns that
// it misses.
const realtimeSchema = `
create table ps_endpoints (id text primary key, auth text, aors text, context text, disallow text, allow text, direct_media text);
create table ps_auths (id text primary key, auth_type text, username text, password text);
create table ps_aors (id text primary key, max_contacts text);
insert into ps_endpoints values (:id, :id, :id, 'internal', 'all', 'ulaw', 'no');
insert into ps_auths values (:id, 'userpass', :id, :password);
insert into ps_aors values (:id, '5');
create table ps_endpoint_id_ips (id text primary key, endpoint text, match text);
insert into ps_endpoints (id, context, disallow, allow, direct_media) values ('branch', 'internal', 'all', 'ulaw', 'no');
insert into ps_endpoint_id_ips values ('branch', 'branch', '203.0.113.96/28');
`

// addRealtime makes the PBX look for accounts in a database too.
func addRealtime(root string) error {
	etc := filepath.Join(root, "etc/asterisk")
	if err := copyConfig(etc, "conf/realtime"); err != nil {
		return fmt.Errorf("write realtime configuration: %w", err)
	}
	if err := appendFile(filepath.Join(etc, "modules.conf"), "load = res_config_sqlite3.so\n"); err != nil {
		return fmt.Errorf("write realtime configuration: %w", err)
	}
	db, err := sql.Open("sqlite", filepath.Join(root, "var/lib/asterisk/accounts.sqlite3"))
	if err != nil {
		return fmt.Errorf("open realtime database: %w", err)
	}
	defer db.Close()
	_, err = db.Exec(realtimeSchema, sql.Named("id", RealtimeAccount), sql.Named("password", Passwords[RealtimeAccount]))
	if err != nil {
		return fmt.Errorf("fill realtime database: %w", err)
	}
	return nil
}

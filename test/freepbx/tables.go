package freepbx

import (
	"context"
	"database/sql"
	"fmt"
)

// Database is the name that FreePBX gives its database.
const Database = "asterisk"

// schema are the tables of FreePBX's core that matter here, with its columns and keys.
const schema = `
CREATE DATABASE asterisk DEFAULT CHARACTER SET utf8mb4;
USE asterisk;
CREATE TABLE sip (id VARCHAR(20) NOT NULL DEFAULT '-1', keyword VARCHAR(30) NOT NULL DEFAULT '', data VARCHAR(8100) NOT NULL, flags INT NOT NULL DEFAULT 0, PRIMARY KEY (id, keyword));
CREATE TABLE pjsip (id VARCHAR(20) NOT NULL DEFAULT '-1', keyword VARCHAR(30) NOT NULL DEFAULT '', data VARCHAR(8100) NOT NULL, flags INT NOT NULL DEFAULT 0, PRIMARY KEY (id, keyword));
CREATE TABLE devices (id VARCHAR(20) NOT NULL DEFAULT '', tech VARCHAR(10) NOT NULL DEFAULT '', dial VARCHAR(255) NOT NULL DEFAULT '', devicetype VARCHAR(5) NOT NULL DEFAULT '', user VARCHAR(50), description VARCHAR(50), emergency_cid VARCHAR(100), hint_override VARCHAR(100), KEY (id), KEY (tech));
CREATE TABLE users (extension VARCHAR(20) NOT NULL DEFAULT '', password VARCHAR(20), name VARCHAR(50), voicemail VARCHAR(50), ringtimer INT, noanswer VARCHAR(100), recording VARCHAR(50), outboundcid VARCHAR(50), sipname VARCHAR(50), mohclass VARCHAR(80) DEFAULT 'default', KEY (extension));
CREATE TABLE trunks (trunkid INT NOT NULL, name VARCHAR(50), tech VARCHAR(20), channelid VARCHAR(190), disabled VARCHAR(4), PRIMARY KEY (trunkid));
CREATE TABLE admin (variable VARCHAR(20) NOT NULL DEFAULT '', value VARCHAR(80) NOT NULL DEFAULT '', PRIMARY KEY (variable));
INSERT INTO admin VALUES ('need_reload', 'false'), ('version', '17.0.19');
`

// Extension is one extension as its form has it.
type Extension struct {
	ID     string
	Name   string
	Tech   string // pjsip or sip
	Secret string
	// Values differ from the form's own: outbound_auth, aors …
	Values map[string]string
}

// Trunk is one PJSIP trunk that both ends log in to.
type Trunk struct {
	ID           int
	Name, Secret string
	Server       string
}

// form is what the form of a new extension holds beside its secret, by technology.
var form = map[string]map[string]string{
	"pjsip": {
		"sipdriver": "chan_pjsip", "dtmfmode": "rfc4733", "trustrpid": "yes", "sendrpid": "pai", "qualifyfreq": "60", "transport": "", "avpf": "no",
		"timers": "yes", "icesupport": "no", "namedcallgroup": "", "namedpickupgroup": "", "disallow": "", "allow": "ulaw", "accountcode": "",
		"max_contacts": "3", "media_use_received_transport": "no", "rtp_symmetric": "yes", "force_rport": "yes", "rewrite_contact": "yes",
		"mwi_subscription": "auto", "media_encryption": "no", "media_encryption_optimistic": "no", "device_state_busy_at": "0", "rtcp_mux": "no",
		"bundle": "no", "maximum_expiration": "7200", "minimum_expiration": "60", "outbound_auth": "yes", "context": "from-internal", "match": "",
	},
	"sip": {
		"sipdriver": "chan_sip", "dtmfmode": "rfc2833", "canreinvite": "no", "host": "dynamic", "trustrpid": "yes", "sendrpid": "pai", "type": "friend",
		"nat": "yes", "port": "5060", "qualify": "no", "qualifyfreq": "60", "transport": "udp", "avpf": "no", "icesupport": "no", "encryption": "no",
		"disallow": "all", "allow": "ulaw", "deny": "0.0.0.0/0.0.0.0", "permit": "0.0.0.0/0.0.0.0", "context": "from-internal",
	},
}

// Tables make and change rows as FreePBX's forms do.
type Tables struct{ DB *sql.DB }

// NewTables makes the tables of an empty FreePBX.
func NewTables(ctx context.Context, s *Server) (Tables, error) {
	if _, err := s.DB.ExecContext(ctx, "DROP DATABASE IF EXISTS asterisk;"+schema); err != nil {
		return Tables{}, fmt.Errorf("make the tables: %w", err)
	}
	db, err := s.Login(admin, adminPassword, Database)
	return Tables{db}, err
}

// Add is the form of a new extension, submitted.
func (t Tables) Add(ctx context.Context, e Extension) error {
	values := map[string]string{
		"secret": e.Secret, "account": e.ID, "dial": map[string]string{"pjsip": "PJSIP/", "sip": "SIP/"}[e.Tech] + e.ID,
		"callerid": e.Name + " <" + e.ID + ">", "mailbox": e.ID + "@device",
	}
	for _, more := range []map[string]string{form[e.Tech], e.Values} {
		for k, v := range more {
			values[k] = v
		}
	}
	flag := 2
	for keyword, value := range values {
		if _, err := t.DB.ExecContext(ctx, "INSERT INTO sip VALUES (?, ?, ?, ?)", e.ID, keyword, value, flag); err != nil {
			return err
		}
		flag++
	}
	if _, err := t.DB.ExecContext(ctx, "INSERT INTO devices VALUES (?, ?, ?, 'fixed', ?, ?, '', '')", e.ID, e.Tech, values["dial"], e.ID, e.Name); err != nil {
		return err
	}
	if _, err := t.DB.ExecContext(ctx, "INSERT INTO users (extension, name, voicemail) VALUES (?, ?, 'novm')", e.ID, e.Name); err != nil {
		return err
	}
	return t.needReload(ctx)
}

// Delete is the button that deletes an extension.
func (t Tables) Delete(ctx context.Context, id string) error {
	for _, statement := range []string{"DELETE FROM sip WHERE id = ?", "DELETE FROM devices WHERE id = ?", "DELETE FROM users WHERE extension = ?"} {
		if _, err := t.DB.ExecContext(ctx, statement, id); err != nil {
			return err
		}
	}
	return t.needReload(ctx)
}

// SetSecret is the form of an extension, submitted with another secret.
func (t Tables) SetSecret(ctx context.Context, id, secret string) error {
	if _, err := t.DB.ExecContext(ctx, "UPDATE sip SET data = ? WHERE id = ? AND keyword = 'secret'", secret, id); err != nil {
		return err
	}
	return t.needReload(ctx)
}

// AddTrunk is the form of a PJSIP trunk.
func (t Tables) AddTrunk(ctx context.Context, k Trunk) error {
	if _, err := t.DB.ExecContext(ctx, "INSERT INTO trunks VALUES (?, ?, 'pjsip', ?, 'off')", k.ID, k.Name, k.Name); err != nil {
		return err
	}
	for keyword, value := range map[string]string{
		"trunk_name": k.Name, "sip_server": k.Server, "secret": k.Secret, "authentication": "both", "registration": "receive", "context": "from-pstn",
	} {
		if _, err := t.DB.ExecContext(ctx, "INSERT INTO pjsip VALUES (?, ?, ?, 0)", k.ID, keyword, value); err != nil {
			return err
		}
	}
	return t.needReload(ctx)
}

func (t Tables) needReload(ctx context.Context) error {
	_, err := t.DB.ExecContext(ctx, "UPDATE admin SET value = 'true' WHERE variable = 'need_reload'")
	return err
}

// Row is one row of a table, with all its values.
type Row struct{ Table, ID, Keyword, Data string }

// Rows are all rows of sip, pjsip and admin, for a comparison.
func (t Tables) Rows(ctx context.Context) ([]Row, error) {
	rows, err := t.DB.QueryContext(ctx, `SELECT 'sip', id, keyword, data FROM sip UNION ALL SELECT 'pjsip', id, keyword, data FROM pjsip
		UNION ALL SELECT 'admin', '', variable, value FROM admin UNION ALL SELECT 'devices', id, tech, dial FROM devices ORDER BY 1, 2, 3`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Row
	for rows.Next() {
		var r Row
		if err := rows.Scan(&r.Table, &r.ID, &r.Keyword, &r.Data); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// Changed are the rows of after that before has not, as "table id keyword".
func Changed(before, after []Row) []string {
	had := map[Row]bool{}
	for _, r := range before {
		had[r] = true
	}
	var out []string
	for _, r := range after {
		if !had[r] {
			out = append(out, r.Table+" "+r.ID+" "+r.Keyword)
		}
	}
	return out
}

// devices are the values of all extensions of a technology, by extension.
func (t Tables) devices(ctx context.Context, tech string) ([]map[string]string, error) {
	return t.grouped(ctx, "SELECT d.id, s.keyword, s.data FROM devices d JOIN sip s ON s.id = d.id WHERE d.tech = ? ORDER BY d.id, s.flags", tech)
}

// trunks are the values of all PJSIP trunks.
func (t Tables) trunks(ctx context.Context) ([]map[string]string, error) {
	return t.grouped(ctx, "SELECT p.id, p.keyword, p.data FROM pjsip p JOIN trunks k ON p.id = k.trunkid WHERE k.disabled = ? ORDER BY p.id", "off")
}

func (t Tables) grouped(ctx context.Context, query string, args ...any) ([]map[string]string, error) {
	rows, err := t.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []map[string]string
	last := ""
	for rows.Next() {
		var id, keyword, data string
		if err := rows.Scan(&id, &keyword, &data); err != nil {
			return nil, err
		}
		if id != last {
			out, last = append(out, map[string]string{"id": id}), id
		}
		out[len(out)-1][keyword] = data
	}
	return out, rows.Err()
}

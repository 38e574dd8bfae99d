package freepbx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tollwarden/tollwarden/test/lab"
)

// PBX is a model of FreePBX with a real Asterisk.
type PBX struct {
	*lab.Lab
	Tables
	Server *Server
	// Issabel writes the files in Issabel's layout from now on.
	Issabel bool
}

// Extensions are what a new PBX has: 1001 to 1003, of the technology of its Asterisk.
// 1003 has an AOR of another name, which PJSIP's phones log in to, and no Outbound Auth.
func Extensions(tech string) []Extension {
	return []Extension{
		{ID: "1001", Name: "Front desk", Tech: tech, Secret: "made-up-secret-of-1001"},
		{ID: "1002", Name: "Workshop", Tech: tech, Secret: "made-up-secret-of-1002"},
		{ID: "1003", Name: "Warehouse", Tech: tech, Secret: "made-up-secret-of-1003", Values: map[string]string{"outbound_auth": "no"}},
	}
}

// New starts a PBX for a test: Asterisk 22 has extensions of PJSIP and a trunk, 16 of
// chan_sip.
func New(t testing.TB, v lab.Version, s *Server) *PBX {
	t.Helper()
	ctx := t.Context()
	tables, err := NewTables(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tables.DB.Close() })
	tech := "pjsip"
	if v == lab.Asterisk16 {
		tech = "sip"
	}
	for _, e := range Extensions(tech) {
		if err := tables.Add(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	if tech == "pjsip" {
		if err := tables.AddTrunk(ctx, Trunk{ID: 1, Name: "carrier", Secret: "made-up-secret-of-carrier", Server: "192.0.2.200"}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := tables.Files(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range custom {
		files[name] = ""
	}
	l := lab.New(t, lab.Options{Version: v, Files: files, Append: map[string]string{
		"extensions.conf": "\n[from-internal]\ninclude => internal\n", "manager.conf": "\n#include manager_custom.conf\n",
	}})
	p := &PBX{Lab: l, Tables: tables, Server: s}
	p.ApplyConfig(t)
	return p
}

// ApplyConfig is the red button: every generated file is written anew, Asterisk reloads
// everything, and the button goes away.
func (p *PBX) ApplyConfig(t testing.TB) {
	t.Helper()
	p.Write(t)
	if _, err := p.CLI(t.Context(), "core reload"); err != nil {
		t.Fatalf("reload: %v", err)
	}
	if _, err := p.DB.ExecContext(t.Context(), "UPDATE admin SET value = 'false' WHERE variable = 'need_reload'"); err != nil {
		t.Fatal(err)
	}
}

// Write writes every generated file anew.
func (p *PBX) Write(t testing.TB) {
	t.Helper()
	files, err := p.Files(t.Context())
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	if p.Issabel {
		files = issabel(files)
	}
	for name, text := range files {
		if err := os.WriteFile(p.File(name), []byte(text), 0o664); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

// File is where a file of /etc/asterisk is on this machine.
func (p *PBX) File(name string) string { return p.Path(filepath.Join("/etc/asterisk", name)) }

// Secret is what the database has.
func (p *PBX) Secret(t testing.TB, id string) (secret string) {
	t.Helper()
	if err := p.DB.QueryRowContext(t.Context(), "SELECT data FROM sip WHERE id = ? AND keyword = 'secret'", id).Scan(&secret); err != nil {
		t.Fatalf("read the secret of %s: %v", id, err)
	}
	return secret
}

// Button says whether FreePBX shows Apply Config.
func (p *PBX) Button(t testing.TB) bool {
	t.Helper()
	var value string
	if err := p.DB.QueryRowContext(t.Context(), "SELECT value FROM admin WHERE variable = 'need_reload'").Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value == "true"
}

// Limit makes a database user that logs in over the socket, takes all rights from it, and
// gives it those of statements.
func (s *Server) Limit(t testing.TB, name string, statements ...string) {
	t.Helper()
	for _, statement := range append([]string{
		fmt.Sprintf("GRANT USAGE ON *.* TO '%s'@'localhost' IDENTIFIED VIA unix_socket", name), fmt.Sprintf("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '%s'@'localhost'", name),
	}, statements...) {
		if _, err := s.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
)

// Database gives the daemon's user the few rights that it needs in the database of
// FreePBX, of Issabel, or of PJSIP realtime.
type Database struct {
	In       io.Reader
	Out      io.Writer
	Agreed   bool
	Options  mariadb.Options // of the daemon's user
	Asterisk string          // Asterisk's configuration folder
	Record   *record         // notes what is done; nil: that of no setup
}

// Run shows the statements, asks, and runs them as the database's root.
func (d *Database) Run(ctx context.Context) error {
	admin, err := mariadb.Administer(ctx, d.Options)
	if err != nil {
		fmt.Fprintf(d.Out, "These statements, run by an administrator of the database, make the user:\n\n%s\n", output.Indent(sqlText(append(d.Options.Create(), d.Options.FreePBXGrants()...))))
		return err
	}
	defer admin.Close()
	statements, err := d.statements(ctx, admin)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "A database user for Tollwarden. It logs in without a password, only from this machine and only as the\nsystem's user of that name; it can set passwords and read none:\n\n%s\n", output.Indent(sqlText(statements)))
	if !agree(d.In, d.Out, d.Agreed, "Make it?") {
		fmt.Fprintln(d.Out, "Nothing was changed.")
		return nil
	}
	if d.Record != nil {
		if err := d.Record.database(d.Options); err != nil {
			return err
		}
	}
	if err := admin.Run(ctx, statements...); err != nil {
		return err
	}
	grants, err := admin.Grants(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "done. Its rights are now:\n\n%s\n", output.Indent(sqlText(grants)))
	return d.keepFolderOpen()
}

// statements are those for the tables that are there.
func (d *Database) statements(ctx context.Context, admin *mariadb.Admin) ([]string, error) {
	statements := d.Options.Create()
	found := false
	if admin.Has(ctx, "sip") && admin.Has(ctx, "admin") {
		statements, found = append(statements, d.Options.FreePBXGrants()...), true
	}
	auths, endpoints := realtimeTable(d.Asterisk, "ps_auths"), realtimeTable(d.Asterisk, "ps_endpoints")
	if admin.Has(ctx, auths) && admin.Has(ctx, endpoints) {
		statements, found = append(statements, d.Options.RealtimeGrants(auths, endpoints)...), true
	}
	if !found {
		return nil, errors.New("the database has neither FreePBX's tables sip and admin nor ps_auths and ps_endpoints: set [database] name in the configuration")
	}
	if admin.HasIn(ctx, callRecords, "cdr") {
		statements = append(statements, d.Options.CallsGrant(callRecords))
	}
	return statements, nil
}

// callRecords is the database with the records of past calls, as FreePBX names it.
const callRecords = "asteriskcdrdb"

// realtimeTable is the table of a realtime family: "family => driver,database[,table]".
func realtimeTable(etc, family string) string {
	conf, err := conffile.Load(etc, "extconfig.conf")
	if err != nil {
		return family
	}
	if parts := strings.Split(conf.Value("settings", family), ","); len(parts) > 2 {
		return strings.Trim(strings.TrimSpace(parts[2]), `"`)
	}
	return family
}

func sqlText(statements []string) string { return strings.Join(statements, ";\n") + ";" }

// chownFile is where FreePBX is told which modes `fwconsole chown` sets.
const chownFile = "freepbx_chown.conf"

// keepFolderOpen has FreePBX leave Asterisk's folder writable for the entry in its ACL
// that the daemon's user has: `fwconsole chown` sets 0750 otherwise, which shuts it out.
func (d *Database) keepFolderOpen() error {
	if !isFreePBX(d.Asterisk) {
		return nil
	}
	path := filepath.Join(d.Asterisk, chownFile)
	r := d.Record
	if r == nil {
		r = &record{}
	}
	added := false
	err := r.file(entry{What: "mode of Asterisk's folder", Path: path}, func(path string) error {
		return copyOwner(filepath.Join(d.Asterisk, "manager.conf"), path)
	}, func(text []byte) (changed []byte, err error) {
		changed, added = withChownLine(text, d.Asterisk)
		return changed, nil
	})
	if err == nil && added {
		fmt.Fprintf(d.Out, "added to %s, so that `fwconsole chown` leaves the folder writable for Tollwarden: %s\n", path, chownLine(d.Asterisk))
	}
	return err
}

func chownLine(etc string) string { return "dir = " + etc + ",0770,asterisk,asterisk" }

// withChownLine adds the line to the section custom; ok is false if there is one for the
// folder.
func withChownLine(text []byte, etc string) (changed []byte, ok bool) {
	lines := strings.SplitAfter(string(text), "\n")
	at := -1
	for i, l := range lines {
		name, value, _ := strings.Cut(l, "=")
		if dir, _, _ := strings.Cut(value, ","); strings.TrimSpace(name) == "dir" && strings.TrimSpace(dir) == etc {
			return text, false
		}
		if strings.TrimSpace(l) == "[custom]" {
			at = i + 1
		}
	}
	if at < 0 {
		return []byte(strings.Join(lines, "") + newlineUnless(text) + "[custom]\n" + chownLine(etc) + "\n"), true
	}
	if !strings.HasSuffix(lines[at-1], "\n") {
		lines[at-1] += "\n"
	}
	return []byte(strings.Join(slices.Insert(lines, at, chownLine(etc)+"\n"), "")), true
}

func newlineUnless(text []byte) string {
	if len(text) == 0 || text[len(text)-1] == '\n' {
		return ""
	}
	return "\n"
}

// Database runs d and notes what it does, if there was a setup.
func (s *Setup) Database(ctx context.Context, d *Database) error {
	if exists(s.config()) {
		r, err := openRecord(s.Folder)
		if err != nil {
			return err
		}
		d.Record = r
	}
	return d.Run(ctx)
}

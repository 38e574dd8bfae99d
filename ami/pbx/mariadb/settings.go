package mariadb

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Setting is one value of FreePBX's own settings.
type Setting struct {
	Table, Key, Value string
}

// Settings are those of FreePBX's settings that say something about the site: networks
// that its firewall trusts, its country and time zone, its trunks (each with its
// technology as the key) and the administrator's e-mail address. What a version does not
// have is left out.
func (a *Admin) Settings(ctx context.Context) ([]Setting, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	var out []Setting
	var errs []error
	read := func(table, query string) {
		found, err := a.settings(ctx, table, query)
		out = append(out, found...)
		errs = append(errs, err)
	}
	stores, err := a.settings(ctx, "tables", `SELECT table_name, '' FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'kvstore\_%' ORDER BY table_name`)
	errs = append(errs, err)
	for _, s := range stores {
		// Modules keep them in tables of their own, whose names differ between versions.
		if name := strings.ToLower(s.Key); strings.Contains(name, "firewall") || strings.Contains(name, "update") || name == "kvstore_freepbx" {
			read(s.Key, "SELECT `key`, val FROM "+quote(s.Key)+" WHERE `key` IN ('networkmaps', 'custom_whitelist', 'notification_emails')")
		}
	}
	if a.Has(ctx, "freepbx_settings") {
		read("freepbx_settings", "SELECT keyword, value FROM freepbx_settings WHERE keyword IN ('TONEZONE', 'PHPTIMEZONE', 'AMPUSERMANEMAILFROM')")
	}
	if a.Has(ctx, "admin") {
		read("admin", "SELECT variable, value FROM admin WHERE variable = 'email'")
	}
	if a.Has(ctx, "trunks") {
		read("trunks", "SELECT tech, channelid FROM trunks WHERE COALESCE(disabled, 'off') <> 'on' ORDER BY trunkid")
	}
	return out, errors.Join(errs...)
}

// settings reads rows of a key and a value.
func (a *Admin) settings(ctx context.Context, table, query string) ([]Setting, error) {
	rows, err := a.db.open().QueryContext(ctx, query)
	if err != nil {
		return nil, a.db.failed("read "+table, err)
	}
	defer rows.Close()
	var out []Setting
	for rows.Next() {
		var key, value *string
		if err := rows.Scan(&key, &value); err != nil {
			return out, fmt.Errorf("read %s: %w", table, err)
		}
		if key != nil && value != nil {
			out = append(out, Setting{table, *key, *value})
		}
	}
	return out, rows.Err()
}

// NeedsReload says whether FreePBX has changes that nobody has applied.
func (a *Admin) NeedsReload(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	rows, err := a.settings(ctx, "admin", "SELECT variable, value FROM admin WHERE variable = 'need_reload'")
	return len(rows) > 0 && rows[0].Value == "true", err
}

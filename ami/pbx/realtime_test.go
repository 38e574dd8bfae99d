package pbx

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
)

// table is a realtime table that Asterisk reads at once.
type table struct {
	f    *fakePBX
	kind string
	deny error
}

func (t table) Row(_ context.Context, _, id string, columns ...string) ([]mariadb.Column, error) {
	i, err := t.f.live.find(id, t.kind)
	if err != nil || i < 0 {
		return nil, mariadb.ErrNoRow
	}
	var out []mariadb.Column
	for _, c := range columns {
		out = append(out, mariadb.Column{Name: c, Value: t.f.live[i].last(c)})
	}
	return out, nil
}

func (t table) SetRow(_ context.Context, name, id string, columns ...mariadb.Column) error {
	if t.deny != nil {
		return t.deny
	}
	if name != "endpoints" {
		return errors.New("the wrong table")
	}
	i, err := t.f.live.find(id, t.kind)
	if err != nil || i < 0 {
		return mariadb.ErrNoRow
	}
	for _, c := range columns {
		t.f.live[i].vars = without(t.f.live[i].vars, []string{c.Name})
		if c.Value != "" {
			t.f.live[i].vars = append(t.f.live[i].vars, ami.Field{Name: c.Name, Value: c.Value})
		}
	}
	return nil
}

func (t table) TryRow(context.Context, string, string, ...string) error { return t.deny }

// An endpoint in a database is restricted and locked in its row, and given back.
func TestRealtimeRow(t *testing.T) {
	f := newFakePBX(t, map[string]string{
		"rows.conf":      pjsipConf, // what the database holds, read by no file
		"pjsip.conf":     "[global]\ntype=global\n",
		"sorcery.conf":   "[res_pjsip]\nendpoint=realtime,ps_endpoints\nauth=realtime,ps_auths\n",
		"extconfig.conf": "[settings]\nps_endpoints => odbc,asterisk,endpoints\n",
	})
	f.live = f.load("rows.conf")
	m := New(f, Options{ConfigDir: f.dir, VerifyWithin: time.Second})
	if _, err := m.Restrict(t.Context(), "1001", office); !errors.Is(err, errNoDatabase) {
		t.Errorf("without a database: %v", err)
	}
	rows := table{f: f, kind: "endpoint"}
	m.restrictions.database.rows = rows
	detail, err := m.Restrict(t.Context(), "1001", office)
	if err != nil || !strings.Contains(detail, "row 1001 of endpoints") {
		t.Fatalf("%q, %v", detail, err)
	}
	if detail, err := m.Restrict(t.Context(), "1001", office); err != nil || detail != "limited to its known networks already" {
		t.Errorf("again: %q, %v", detail, err)
	}
	if _, err := m.Restrict(t.Context(), "1001", office[:1]); err == nil {
		t.Error("a restriction of somebody else's was replaced")
	}
	if detail, err := m.Unrestrict(t.Context(), "1001", office); err != nil || !strings.Contains(detail, "lifted") {
		t.Errorf("lifted: %q, %v", detail, err)
	}
	if got, _ := rows.Row(t.Context(), "", "1001", "deny", "permit"); got[0].Value+got[1].Value != "" {
		t.Errorf("left: %v", got)
	}
	rows.deny = mariadb.ErrDenied
	m.restrictions.database.rows = rows
	if _, err := m.Restrict(t.Context(), "1001", office); !errors.Is(err, mariadb.ErrDenied) {
		t.Errorf("without rights: %v", err)
	}
}

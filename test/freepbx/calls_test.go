package freepbx_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/cdr/database"
	"github.com/tollwarden/tollwarden/test/freepbx"
)

// Past calls are read from the table that FreePBX keeps them in.
func TestCallRecords(t *testing.T) {
	server := freepbx.NewServer(t)
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS asteriskcdrdb", "CREATE DATABASE asteriskcdrdb",
		`CREATE TABLE asteriskcdrdb.cdr (calldate DATETIME NOT NULL, clid VARCHAR(80), src VARCHAR(80), dst VARCHAR(80), dcontext VARCHAR(80),
			channel VARCHAR(80), dstchannel VARCHAR(80), lastapp VARCHAR(80), lastdata VARCHAR(80), duration INT, billsec INT, disposition VARCHAR(45),
			amaflags INT, accountcode VARCHAR(20), uniqueid VARCHAR(32), userfield VARCHAR(255))`,
		`INSERT INTO asteriskcdrdb.cdr VALUES
			('2026-11-01 09:00:00', '', '1002', '0044207946000', 'from-internal', 'PJSIP/1002-00000001', 'PJSIP/trunk-00000002', 'Dial', 'PJSIP/0044207946000@trunk', 12, 10, 'ANSWERED', 3, '', '1.1', ''),
			('2026-11-02 09:00:00', '', '1002', '1003', 'from-internal', 'PJSIP/1002-00000003', 'PJSIP/1003-00000004', 'Dial', 'PJSIP/1003', 5, 0, 'NO ANSWER', 3, '', '2.1', '')`,
	} {
		if _, err := server.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	o := database.Options{Socket: server.Socket, User: "root"} // as whoever runs the test
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	calls, err := database.Open(t.Context(), o, from, 100, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	defer calls.Close()
	var got []string
	for {
		var r cdr.Record
		if err := calls.Next(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(r.Channel)+" to "+string(r.Dialled))
	}
	if len(got) != 2 || got[0] != "PJSIP/1002-00000001 to 0044207946000" || got[1] != "PJSIP/1002-00000003 to 1003" {
		t.Errorf("read %q", got)
	}
}

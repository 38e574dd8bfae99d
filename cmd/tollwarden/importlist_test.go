package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/blocklist"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
)

// APIBAN's chain is in the table of one of three programs; one without bans is a chain, too.
func TestReadAPIBAN(t *testing.T) {
	for name, tt := range map[string]struct {
		prints map[string]string // by program; others fail
		bans   int
		fails  bool
	}{
		"bans":           {map[string]string{"iptables": "-N APIBAN\n-A APIBAN -s 203.0.113.7/32 -j DROP\n"}, 1, false},
		"bans of nft":    {map[string]string{"nft": "table ip filter {\n\tchain APIBAN {\n\t\tip saddr 203.0.113.9 drop\n\t}\n}\n"}, 1, false},
		"an empty chain": {map[string]string{"iptables": "-N APIBAN\n"}, 0, false},
		"no chain":       {map[string]string{"iptables": "-N OTHER\n"}, 0, true},
		"no program":     {nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for program, text := range tt.prints {
				script := fmt.Sprintf("#!/bin/sh\ncat <<'END'\n%sEND\n", text)
				if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			cat := filepath.Join(dir, "cat")
			if err := os.Symlink("/bin/cat", cat); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			im := takeover.New("APIBAN", "", time.Now(), []netip.Prefix{})
			err := readAPIBAN(t.Context(), im, time.Now(), blocklist.Source{For: time.Hour})
			if len(im.Bans) != tt.bans || (err != nil) != tt.fails {
				t.Errorf("%v, %v", im.Bans, err)
			}
			if tt.fails && !strings.Contains(err.Error(), "give its log") {
				t.Errorf("no way out: %v", err)
			}
		})
	}
}

package settings

import (
	"os"
	"path/filepath"
	"testing"
)

// Who must not have Asterisk rewrite its files says so in the configuration.
func TestDirectEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tollwarden.toml")
	for text, want := range map[string]bool{"": false, "direct_edit = false\n": false, "direct_edit = true\n": true} {
		if err := os.WriteFile(path, []byte("[asterisk]\nusername = \"warden\"\nsecret = \"x\"\n[rotate]\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := PBX(cfg); err != nil || o.DirectEdit != want {
			t.Errorf("%q: direct edit %v, want %v, %v", text, o.DirectEdit, want, err)
		}
	}
}

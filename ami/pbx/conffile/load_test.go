package conffile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Asterisk makes of a file that a person wrote.
func TestLoadReadsAsAsteriskDoes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		more map[string]string // other files of the folder
		want string            // of enabled in [general]
	}{
		"plain":                          {text: "[general]\nenabled = yes\n", want: "yes"},
		"arrow":                          {text: "[general]\nenabled => yes\n", want: "yes"},
		"upper case":                     {text: "[general]\nENABLED=Yes\n", want: "Yes"},
		"trailing remark":                {text: "[general]\nenabled = y ; since 2019\n", want: "y"},
		"remark without a blank":         {text: "[general]\nenabled=on;off\n", want: "on"},
		"escaped semicolon":              {text: "[general]\nenabled = a\\;b\n", want: "a;b"},
		"the last one counts":            {text: "[general]\nenabled = yes\nenabled = no\n", want: "no"},
		"line commented out":             {text: "[general]\n;enabled = yes\n", want: ""},
		"block comment":                  {text: "[general]\nenabled = no\n;--\nenabled = yes\n--;\n", want: "no"},
		"block comment on one line":      {text: "[general]\n;-- enabled = no --;\nenabled = yes\n", want: "yes"},
		"after a block comment":          {text: "[general]\n;-- no --; enabled = yes\n", want: "yes"},
		"nested block comments":          {text: "[general]\n;-- ;-- a --;\nenabled = yes\n--;\n", want: ""},
		"three dashes open none":         {text: "[general]\n;--- a heading ---\nenabled = yes\n", want: "yes"},
		"block comment hides a section":  {text: "[general]\nenabled = yes\n;--\n[other]\n--;\nenabled = no\n", want: "no"},
		"other section":                  {text: "[general]\n[other]\nenabled = yes\n", want: ""},
		"template":                       {text: "[base](!)\nenabled = yes\n[general](base)\n", want: "yes"},
		"own value over a template's":    {text: "[base](!)\nenabled = yes\n[general](base)\nenabled = no\n", want: "no"},
		"template alone":                 {text: "[general](!)\nenabled = yes\n", want: ""},
		"section continued":              {text: "[general]\nenabled = no\n[other]\n[general](+)\nenabled = yes\n", want: "yes"},
		"value continued":                {text: "[general]\nenabled = y\nenabled += es\n", want: "yes"},
		"inherited value continued":      {text: "[base](!)\nenabled = y\n[general](base)\nenabled += es\n", want: "yes"},
		"nothing to continue":            {text: "[general]\nenabled += yes\n", want: "yes"},
		"include":                        {text: "#include more.conf\n", more: map[string]string{"more.conf": "[general]\nenabled = yes\n"}, want: "yes"},
		"include with a remark":          {text: "#include \"more.conf\" ; ours\n", more: map[string]string{"more.conf": "[general]\nenabled = yes\n"}, want: "yes"},
		"include inside a section":       {text: "[general]\n#include more.conf\n", more: map[string]string{"more.conf": "enabled = yes\n"}, want: "yes"},
		"include of a pattern":           {text: "#include manager.d/*.conf\n", more: map[string]string{"manager.d/a.conf": "[general]\nenabled = yes\n"}, want: "yes"},
		"include commented out":          {text: ";#include more.conf\n", more: map[string]string{"more.conf": "[general]\nenabled = yes\n"}, want: ""},
		"include in a block comment":     {text: ";--\n#include more.conf\n--;\n", more: map[string]string{"more.conf": "[general]\nenabled = yes\n"}, want: ""},
		"tryinclude of what is not here": {text: "#tryinclude none.conf\n[general]\nenabled = yes\n", want: "yes"},
		"exec is not run":                {text: "#exec /bin/echo [general]\n[general]\nenabled = yes\n", want: "yes"},
		"line ends of Windows":           {text: "\xef\xbb\xbf[general]\r\nenabled = yes\r\n", want: "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := write(t, c.text, c.more)
			conf, err := Load(folder, "test.conf")
			if err != nil || conf.Value("general", "enabled") != c.want {
				t.Errorf("%q: enabled is %q, %v; want %q", c.text, conf.Value("general", "enabled"), err, c.want)
			}
		})
	}
}

func write(t *testing.T, text string, more map[string]string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	files := map[string]string{"test.conf": text}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestLoadEnds(t *testing.T) {
	if _, err := Load(write(t, "#include test.conf\n", nil), "test.conf"); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("a file that includes itself: %v", err)
	}
	if _, err := Load(t.TempDir(), "none.conf"); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

func TestTrue(t *testing.T) {
	for _, v := range []string{"yes", "Yes", "YES", "y", "Y", "true", "True", "t", "T", "1", "on", "ON"} {
		if !True(v) {
			t.Errorf("%q is false", v)
		}
	}
	for _, v := range []string{"", "no", "off", "0", "2", "enabled", "yes ;", "ye"} {
		if True(v) {
			t.Errorf("%q is true", v)
		}
	}
}

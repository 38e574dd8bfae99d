package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
)

// Each page has what a page should have, and groff has nothing to say against any of them.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	if code, got := tollwarden(t, "man", dir); code != 0 {
		t.Fatal(got)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		headings := []string{"NAME", "SYNOPSIS", "EXIT STATUS", "SEE ALSO"}
		switch name := filepath.Base(page); {
		case name == "tollwarden.toml.5":
			headings = []string{"NAME", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"}
		case strings.HasPrefix(name, "tollwarden-completion"), name == "tollwarden.1":
		default:
			headings = append(headings, "EXAMPLES")
		}
		for _, heading := range headings {
			if !strings.Contains(string(text), "\n.SH "+heading+"\n") {
				t.Errorf("%s has no section %s", filepath.Base(page), heading)
			}
		}
		for n, line := range strings.Split(string(text), "\n") {
			if strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
				t.Errorf("%s:%d: not ASCII: %s", filepath.Base(page), n+1, line)
			}
		}
		if groff, err := exec.LookPath("groff"); err == nil {
			out, err := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput()
			if complaints := regexp.MustCompile(`(?m)^.*(cannot adjust|cannot break|can't break).*\n`).ReplaceAllString(string(out), ""); err != nil || complaints != "" {
				t.Errorf("%s: %v %s", filepath.Base(page), err, complaints)
			}
		}
	}
}

// The page of the configuration has each section and key of the reference.
func TestTOMLPage(t *testing.T) {
	page := tomlPage(string(config.Reference))
	inList := false
	for line := range strings.Lines(string(config.Reference)) {
		line = strings.TrimSpace(line)
		inList = strings.HasPrefix(line, "[[") || inList && !strings.HasPrefix(line, "[")
		want := ""
		switch {
		case inList && line != "" && !strings.HasPrefix(line, "#"):
			want = roff(line)
		case tomlSection.MatchString(line):
			want = ".SH " + roff(line)
		case tomlKey.MatchString(line) && !strings.HasPrefix(line, "#"):
			name, _, _ := strings.Cut(line, "=")
			want = strings.TrimSpace(name) + " = "
		}
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
}

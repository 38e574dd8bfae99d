package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// quotedCommand is a command of ours between backticks.
var quotedCommand = regexp.MustCompile("`(tollwarden [^`]*)`")

// Every command of ours that a document names exists, with these flags and as many arguments.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	documents, _ := filepath.Glob("../../docs/*.md")
	for _, file := range append(documents, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := documentedCommands(string(text))
		if len(lines) == 0 {
			continue
		}
		for i, words := range splitCommands(t, lines) {
			cmd, _, err := newRoot().Find(words)
			if len(words) == 1 && err == nil && cmd.HasParent() {
				continue // names the command itself
			}
			if err := parses(words); err != nil && !errors.Is(err, pflag.ErrHelp) {
				t.Errorf("%s: %s: %v", filepath.Base(file), lines[i], err)
			}
		}
	}
}

// documentedCommands are the commands of a document: those between backticks, which may be
// broken into two lines, and the lines of fenced blocks.
func documentedCommands(text string) (lines []string) {
	for i, part := range strings.Split(text, "```") {
		if i%2 == 0 {
			for _, m := range quotedCommand.FindAllStringSubmatch(strings.ReplaceAll(part, "\n", " "), -1) {
				lines = append(lines, m[1])
			}
			continue
		}
		for line := range strings.Lines(part) {
			line, _, _ = strings.Cut(line, " #")
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "tollwarden ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

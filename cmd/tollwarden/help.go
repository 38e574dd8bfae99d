package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// groups are the headings of `tollwarden help`, and what is under them. A command that no
// group names is under "Additional Commands".
var groups = []struct {
	id, title string
	commands  []string
}{
	{"see", "See what happens:", []string{"status", "incidents", "incident", "bans", "addresses", "extensions", "orders", "spending"}},
	{"act", "Act:", []string{
		"first-hour", "hangup", "rotate", "secret", "lock", "unlock", "compromise", "trust", "ban", "unban", "allow", "pause", "resume",
	}},
	{"setup", "Set up and try out:", []string{"setup", "check", "observe", "enforce", "replay", "import", "rates", "demo"}},
	{"service", "The service:", []string{"run", "reload", "backup", "restore", "forget", "down", "version", "completion", "help"}},
}

// examples are those of commands whose own files have none.
var examples = map[string]string{
	"setup":  "  tollwarden setup\n  tollwarden setup --yes",
	"check":  "  tollwarden check\n  tollwarden check --notify\n  tollwarden check --reference | less",
	"replay": "  tollwarden replay /var/log/asterisk/security\n  tollwarden replay --html /var/log/asterisk/cdr-csv/Master.csv > month.html",
}

func init() { cobra.EnableCommandSorting = false } // help lists them in our order

// group puts the commands under their headings, in that order, and gives those without
// an example theirs.
func group(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	byName := map[string]*cobra.Command{}
	for _, c := range root.Commands() {
		byName[c.Name()] = c
		if c.Example == "" {
			c.Example = examples[c.Name()]
		}
	}
	all := root.Commands()
	root.RemoveCommand(all...)
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, name := range g.commands {
			if c := byName[name]; c != nil {
				c.GroupID = g.id
				root.AddCommand(c)
				delete(byName, name)
			}
		}
	}
	for _, c := range all {
		if byName[c.Name()] != nil {
			root.AddCommand(c)
		}
	}
}

// noCommand says that there is no command of a name, and which one was most likely meant.
func noCommand(parent *cobra.Command, name string) error {
	parent.SuggestionsMinimumDistance = 2
	path := strings.Fields(parent.CommandPath())[1:]
	err := fmt.Errorf("there is no command %q", strings.Join(append(path, name), " "))
	if near := parent.SuggestionsFor(name); name != "" && len(near) > 0 {
		return usage(fmt.Errorf("%w; did you mean %s?", err, incident.Command(append(path, near[0])...)))
	}
	return usage(fmt.Errorf("%w: %s lists them", err, helpOf(parent)))
}

// noFlag names the flag that was most likely meant.
func noFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "bool" {
		return usage(fmt.Errorf("--%s takes no value: %s explains it", invalid.GetFlag().Name, helpOf(cmd)))
	}
	if !errors.As(err, &unknown) {
		return usage(err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	name := unknown.GetSpecifiedName()
	if len(name) == 1 {
		return usage(fmt.Errorf("%w: %s lists the options", err, helpOf(cmd)))
	}
	if near := nearest(name, names); len(near) > 0 {
		return usage(fmt.Errorf("there is no option --%s; did you mean --%s?", name, near[0]))
	}
	return usage(fmt.Errorf("there is no option --%s: %s lists them", name, helpOf(cmd)))
}

// helpOf is the command that shows the help of another one.
func helpOf(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return incident.Command("help")
	}
	return incident.Command(append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
}

package pbx

import (
	"context"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
)

// asterisk sends actions and reads what Asterisk answers: its configuration,
// its modules, and what it knows of one account.
type asterisk struct{ d ami.Doer }

// do sends one action and turns Asterisk's refusal into a PermissionError.
func (ast asterisk) do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	r, err := ast.d.Do(ctx, a)
	if answered(err, "Permission denied") {
		return nil, &PermissionError{Action: a.Name, Classes: classesOf(a.Name)}
	}
	return r, err
}

// session is a goami.Client for one action, which sees only the named headers of
// list items, or all.
func (ast asterisk) session(headers ...string) *ami.Session {
	return ami.NewSession(doer(ast.do), headers...)
}

type doer func(ctx context.Context, a ami.Action) (*ami.Response, error)

func (d doer) Do(ctx context.Context, a ami.Action) (*ami.Response, error) { return d(ctx, a) }

// command runs one CLI command and returns its output. The line must hold no
// text from outside that has not passed checkName or cliArgument: the CLI has its own
// quoting.
func (ast asterisk) command(ctx context.Context, line string) ([]string, error) {
	r, err := goami.Command(ctx, ast.session(), "", line)
	return r["Output"], err
}

package check

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/people"
)

type someone struct{ err error }

func (s someone) People(context.Context) ([]people.Person, error) {
	return []people.Person{{Account: "1006", Name: "Front desk", Emails: []string{"desk@example.org"}}, {Account: "1007", Name: "Workshop"}}, s.err
}

// check says whom a message to users would reach, without naming them.
func TestCountPeople(t *testing.T) {
	on := &config.Config{}
	on.Notify.Users.Mail = true
	for name, c := range map[string]struct {
		err  error
		cfg  *config.Config
		want string
	}{
		"off":        {nil, &config.Config{}, ""},
		"on":         {nil, on, "1 of 2 extensions"},
		"incomplete": {errors.New("no right"), &config.Config{}, "no right"},
	} {
		var b strings.Builder
		countPeople(t.Context(), &b, someone{c.err}, c.cfg)
		if !strings.Contains(b.String(), c.want) || c.want == "" && b.Len() > 0 || strings.Contains(b.String(), "desk@") {
			t.Errorf("%s: %q", name, b.String())
		}
	}
}

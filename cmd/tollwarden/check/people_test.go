package check

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
	directory "github.com/tollwarden/tollwarden/responder/people"
)

type someone struct{ err error }

func (s someone) People(context.Context) ([]directory.Person, error) {
	return []directory.Person{{Account: "1006", Name: "Front desk", Emails: []string{"desk@example.org"}}, {Account: "1007", Name: "Workshop"}}, s.err
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
		if got := text(countPeople(t.Context(), someone{c.err}, c.cfg)); !strings.Contains(got, c.want) || c.want == "" && got != "" || strings.Contains(got, "desk@") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

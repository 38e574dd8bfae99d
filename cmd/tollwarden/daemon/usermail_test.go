package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/people"
)

// knownPeople are who an Asterisk's configuration names; err comes with them.
type knownPeople struct {
	list []people.Person
	err  error
	read int
}

func (k *knownPeople) People(context.Context) ([]people.Person, error) {
	k.read++
	return k.list, k.err
}

func frontDesk() *knownPeople {
	return &knownPeople{list: []people.Person{{Account: "1006", Name: "Front desk", Emails: []string{"desk@example.org"}}, {Account: "1007", Name: "No mail"}}}
}

// The person of an account hears once of each incident in which its password was changed.
func TestUserMail(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	rotated := func(id int64, at time.Time, account string, state incident.State) incident.Incident {
		return incident.Incident{ID: id, At: at, Mode: incident.Enforce, Account: account, Steps: []incident.Step{
			{Step: incident.StepHangup, Target: account, State: incident.Done},
			{Step: incident.StepRotate, Target: account, State: state, Detail: "kept in /var/lib/tollwarden/secrets", Took: incident.Elapsed(time.Second)},
		}}
	}
	observed := rotated(1, now, "1006", incident.Done)
	observed.Mode = incident.Observe
	for name, c := range map[string]struct {
		off  bool
		list []incident.Incident
		want int
	}{
		"changed":             {false, []incident.Incident{rotated(1, now, "1006", incident.Done)}, 1},
		"changes of one":      {false, []incident.Incident{rotated(1, now, "1006", incident.Intended), rotated(1, now, "1006", incident.Done), rotated(1, now, "1006", incident.Done)}, 1},
		"two incidents":       {false, []incident.Incident{rotated(1, now, "1006", incident.Done), rotated(2, now, "1006", incident.Done)}, 2},
		"failed":              {false, []incident.Incident{rotated(1, now, "1006", incident.Failed)}, 0},
		"mode observe":        {false, []incident.Incident{observed}, 0},
		"an old one":          {false, []incident.Incident{rotated(1, now.Add(-time.Hour), "1006", incident.Done)}, 0},
		"no address":          {false, []incident.Incident{rotated(1, now, "1007", incident.Done)}, 0},
		"nobody's account":    {false, []incident.Incident{rotated(1, now, "1008", incident.Done)}, 0},
		"off, as is default":  {true, []incident.Incident{rotated(1, now, "1006", incident.Done)}, 0},
		"without any changes": {false, []incident.Incident{{ID: 1, At: now, Mode: incident.Enforce}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			names := newRoster(frontDesk(), zerolog.Nop())
			names.read(t.Context())
			var sent []*notify.Message
			u := &userMail{host: "pbx", names: names, log: zerolog.Nop(), send: func(m *notify.Message, _ func(notify.Outcome)) { sent = append(sent, m) }}
			if !c.off {
				words, err := notify.ParseUserWords("{{.Title}}", "{{.Title}} {{.Contact}}", "the help desk")
				if err != nil {
					t.Fatal(err)
				}
				u.words.Store(words)
			}
			for _, i := range c.list {
				u.changed(now.Add(2*time.Second), &i)
			}
			if len(sent) != c.want {
				t.Fatalf("%d messages, want %d", len(sent), c.want)
			}
			for _, m := range sent {
				if m.Subject != "1006 Front desk" || m.Text != "1006 Front desk the help desk\n" || !slices.Equal(m.To, []string{"desk@example.org"}) {
					t.Errorf("%+v", m)
				}
				if strings.Contains(fmt.Sprint(m), "secrets") {
					t.Errorf("the message says where the password is: %v", m)
				}
			}
		})
	}
}

// Names are read when asked to, soon after a change. What is read worse than before
// replaces nothing.
func TestRoster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := frontDesk()
		n := newRoster(source, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = n.run(ctx) }()
		look := func(want string, reads int) {
			t.Helper()
			time.Sleep(2 * namesSettle)
			synctest.Wait()
			if got := n.title("1006"); got != want || source.read != reads {
				t.Errorf("%q after %d readings; want %q after %d", got, source.read, want, reads)
			}
		}
		look("1006", 0)
		n.again()
		n.again()
		look("1006 Front desk", 1)
		source.list, source.err = nil, errors.New("connection lost")
		n.again()
		look("1006 Front desk", 2)
		source.list, source.err = []people.Person{{Account: "1006", Name: "Reception"}}, nil
		n.again()
		look("1006 Reception", 3)
	})
	var nobody *roster
	nobody.again()
	if i := nobody.name(incident.Incident{Account: "1006"}); i.Name != "" || nobody.title("1006") != "1006" {
		t.Error("nobody knows somebody")
	}
}

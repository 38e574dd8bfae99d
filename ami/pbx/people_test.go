package pbx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/people"
)

// The forms in which Asterisk's files, and Asterisk itself, write a caller ID.
func TestCallerName(t *testing.T) {
	for id, want := range map[string]string{
		`"Front desk" <1006>`:     "Front desk",
		`Front desk <1006>`:       "Front desk",
		`Front desk<1006>`:        "Front desk",
		`"Ada \"Count\" L" <100>`: `Ada "Count" L`,
		`Front desk`:              "Front desk",
		`"Front desk"`:            "Front desk",
		`1006`:                    "",
		`+44 117 496 0123`:        "",
		`<1006>`:                  "",
		`"" <1006>`:               "",
		`<unknown>`:               "",
		``:                        "",
		`asterisk`:                "",
		`5th floor <1006>`:        "5th floor",
	} {
		if got := callerName(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// confSections answers GetConfig as Asterisk does, from sections of lines.
func confSections(sections ...[]string) []ami.Field {
	var out []string
	for n, s := range sections {
		out = append(out, fmt.Sprintf("Category-%06d", n), s[0])
		for k, line := range s[1:] {
			if line == "(!)" {
				out = append(out, fmt.Sprintf("IsTemplate-%06d", n), "1")
				continue
			}
			out = append(out, fmt.Sprintf("Line-%06d-%06d", n, k), line)
		}
	}
	return message(out...)
}

// Names come from the channel drivers' files, then from the mailbox; addresses from the
// mailbox that belongs to the account, and no other.
func TestPeople(t *testing.T) {
	files := map[string][]ami.Field{
		"pjsip.conf": confSections(
			[]string{"office", "(!)", "type=endpoint", "callerid=Template <1>"},
			[]string{"1006", "type=endpoint", "callerid=Front desk <1006>", "mailboxes=1006@default"},
			[]string{"1007", "type=endpoint", "callerid=1007", "mailboxes=7@sales,8@sales"},
			[]string{"1008", "type=aor", "mailboxes=1006@default"},
			[]string{"1009", "type=endpoint", "callerid=device <1009>", "mailboxes=1009@device"},
			[]string{"1011", "type=endpoint", "callerid=No box <1011>", "mailboxes=1006@elsewhere"},
		),
		"sip.conf":   confSections([]string{"general", "callerid=Company"}, []string{"2001", "type=friend", "secret=x", "fullname=Workshop", "mailbox=1006"}),
		"users.conf": confSections([]string{"3001", "fullname=Caretaker", "email=care@example.org"}),
		"voicemail.conf": confSections(
			[]string{"general", "format=wav49|gsm,x"},
			[]string{"zonemessages", "uk=Europe/London,dB"},
			[]string{"default", "1006=4242,Desk box,desk@example.org|second@example.org,,attach=no", "1009=9,Ninth floor", "1010=1,Only a box,ten@example.org", "5=5"},
			[]string{"sales", "7=7,Sales,sales@example.org", "1012=1,Not ours,other@example.org"},
		),
	}
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		file := ami.Message(a.Fields).Get("Filename")
		switch {
		case a.Name != "GetConfig":
			t.Errorf("asked %s", a.Name)
		case files[file] == nil:
			return nil, &ami.Error{Action: a.Name, Message: "Config file not found"}
		}
		return &ami.Response{Fields: files[file]}, nil
	}), Options{})
	list, err := m.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"4242", "secret"} {
		if strings.Contains(fmt.Sprint(list), secret) {
			t.Errorf("%s is kept", secret)
		}
	}
	d := people.NewDirectory(list)
	for account, want := range map[string]string{
		"1006": "Front desk [desk@example.org second@example.org]",
		"1007": "Sales [sales@example.org]",
		"1008": " []", // no account
		"1009": "Ninth floor []",
		"1010": "Only a box [ten@example.org]",
		"1011": "No box []", // names a mailbox that is not there
		"1012": " []",       // a mailbox elsewhere is nobody's
		"2001": "Workshop [desk@example.org second@example.org]",
		"3001": "Caretaker [care@example.org]",
		"7":    " []",
	} {
		if got := fmt.Sprint(d.Name(account), " ", d.Emails(account)); got != want {
			t.Errorf("%s: %q, want %q", account, got, want)
		}
	}
}

// PJSIP's endpoints in a database are asked one by one, up to a limit.
func TestPeopleInDatabase(t *testing.T) {
	asked := 0
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		r := &ami.Response{}
		switch a.Name {
		case "GetConfig":
			if ami.Message(a.Fields).Get("Filename") != "sorcery.conf" {
				return nil, &ami.Error{Action: a.Name, Message: "Config file not found"}
			}
			r.Fields = confSections([]string{"res_pjsip", "endpoint=realtime,ps_endpoints"})
		case "PJSIPShowEndpoints":
			for n := range maxAsked + 5 {
				r.Events = append(r.Events, message("Event", "EndpointList", "ObjectName", fmt.Sprint(1000+n)))
			}
		case "PJSIPShowEndpoint":
			asked++
			account := ami.Message(a.Fields).Get("Endpoint")
			r.Events = append(r.Events, message("Event", "EndpointDetail", "ObjectName", account, "Callerid", `"Name of `+account+`" <`+account+`>`, "Mailboxes", ""))
		}
		return r, nil
	}), Options{})
	list, err := m.People(t.Context())
	if d := people.NewDirectory(list); err != nil || asked != maxAsked || d.Len() != maxAsked || d.Name("1003") != "Name of 1003" {
		t.Errorf("asked %d, know %d, %q, %v", asked, d.Len(), d.Name("1003"), err)
	}
}

// Without the right to read files nobody has a name, and the error says which right.
func TestPeopleWithoutRights(t *testing.T) {
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		return nil, &ami.Error{Action: a.Name, Message: "Permission denied"}
	}), Options{})
	if list, err := m.People(t.Context()); len(list) > 0 || err == nil || !strings.Contains(err.Error(), "config") {
		t.Errorf("%v, %v", list, err)
	}
}

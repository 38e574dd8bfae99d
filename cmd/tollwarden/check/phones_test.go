package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/places"
)

// asked answers from lists.
type asked struct {
	contacts []places.Contact
	carriers []places.Protected
	err      error
}

func (a asked) Contacts(context.Context) ([]places.Contact, error)   { return a.contacts, a.err }
func (a asked) Carriers(context.Context) ([]places.Protected, error) { return a.carriers, a.err }

// Who is signed in is listed with a question, and a relay in front of Asterisk is found.
func TestListPhones(t *testing.T) {
	phones := func(address string, n int) (list []places.Contact) {
		for i := range n {
			list = append(list, places.Contact{Account: fmt.Sprint(1001 + i), Source: netip.MustParseAddr(address), Port: uint16(40000 + i), Agent: "Snom"})
		}
		return list
	}
	for name, tc := range map[string]struct {
		asked
		want, not string
	}{
		"nobody":             {asked{}, "nobody", "not yours"},
		"two":                {asked{contacts: phones("198.51.100.7", 2)}, " 1001 from 198.51.100.7, User-Agent \"Snom\"\n", "Asterisk sees"},
		"and a question":     {asked{contacts: phones("198.51.100.7", 2)}, "Which of these are not yours?", "warning"},
		"behind a relay":     {asked{contacts: phones("127.0.0.1", 6)}, "note     : Asterisk sees 6 of 6 registered extensions behind 127.0.0.1, an address of this machine", ""},
		"it cannot be asked": {asked{err: errors.New("no")}, "warning  : could not list who is signed in: no", "not yours"},
	} {
		if got := text(listPhones(t.Context(), tc.asked)); !strings.Contains(got, tc.want) || tc.not != "" && strings.Contains(got, tc.not) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestListCarriers(t *testing.T) {
	if out := text(listCarriers(t.Context(), asked{})); out != "" {
		t.Errorf("without carriers: %q", out)
	}
	a := asked{err: errors.New("there are more")}
	for i := range 30 {
		a.carriers = append(a.carriers, places.Protected{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32), Why: "contact of carrier"})
	}
	out := text(listCarriers(t.Context(), a))
	for _, want := range []string{"203.0.113.0 (contact of carrier), ", "and 10 more", "warning  : could not read all carriers in Asterisk's configuration: there are more"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q: %s", want, out)
		}
	}
}

package check

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// maxCarriers bounds the carriers that are listed.
const maxCarriers = 20

// carrierSource is what is asked for the carriers.
type carrierSource interface {
	Carriers(ctx context.Context) ([]places.Protected, error)
}

// listCarriers lists the addresses that Asterisk's configuration names.
func listCarriers(ctx context.Context, w io.Writer, asterisk carrierSource) {
	carriers, err := asterisk.Carriers(ctx)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not read all carriers in Asterisk's configuration: %v\n", err)
	}
	if len(carriers) == 0 {
		return
	}
	words := make([]string, 0, maxCarriers)
	for _, c := range carriers[:min(len(carriers), maxCarriers)] {
		words = append(words, fmt.Sprintf("%s (%s)", incident.PrefixText(c.Prefix), c.Why))
	}
	more := ""
	if n := len(carriers) - maxCarriers; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	fmt.Fprintf(w, "  carriers that Asterisk's configuration names: %s%s. Those that are missing belong in firewall.allow.\n", strings.Join(words, ", "), more)
}

// phoneSource is what is asked for the registrations.
type phoneSource interface {
	Contacts(ctx context.Context) ([]places.Contact, error)
}

// listPhones lists who is signed in, and says if all phones seem to be at one address.
func listPhones(ctx context.Context, w io.Writer, asterisk phoneSource) {
	contacts, err := asterisk.Contacts(ctx)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not list who is signed in: %v\n", err)
		return
	}
	if len(contacts) == 0 {
		fmt.Fprintln(w, "  signed in: nobody.")
		return
	}
	fmt.Fprintln(w, "  signed in:")
	for _, line := range places.SignedIn(contacts) {
		fmt.Fprintf(w, "    %s\n", line)
	}
	fmt.Fprintf(w, "  %s\n", places.WhoseAreThese)
	p := places.New(places.Config{}, nil)
	p.SetOwn(daemon.OwnAddresses())
	p.SetContacts(time.Now(), contacts, nothing{})
	if front := p.Front(); front != "" {
		fmt.Fprintf(w, "  note: %s.\n", front)
	}
}

// nothing is known against anybody.
type nothing struct{}

func (nothing) Guessed(string) bool                         { return false }
func (nothing) Failed(string, netip.Addr, score.Proof) bool { return false }

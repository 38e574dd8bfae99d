package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/config"
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

func carriers(ctx context.Context, _ *config.Config, s *session) []Result {
	return listCarriers(ctx, s.manager)
}

// listCarriers lists the addresses that Asterisk's configuration names.
func listCarriers(ctx context.Context, asterisk carrierSource) (out []Result) {
	carriers, err := asterisk.Carriers(ctx)
	if err != nil {
		out = append(out, warning("could not read all carriers in Asterisk's configuration: %v", err))
	}
	if len(carriers) == 0 {
		return out
	}
	words := make([]string, 0, maxCarriers)
	for _, c := range carriers[:min(len(carriers), maxCarriers)] {
		words = append(words, fmt.Sprintf("%s (%s)", incident.PrefixText(c.Prefix), c.Why))
	}
	more := ""
	if n := len(carriers) - maxCarriers; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return append(out, note("Asterisk's configuration names %s%s. Those that are missing belong in firewall.allow", strings.Join(words, ", "), more))
}

// phoneSource is what is asked for the registrations.
type phoneSource interface {
	Contacts(ctx context.Context) ([]places.Contact, error)
}

func phones(ctx context.Context, _ *config.Config, s *session) []Result {
	return listPhones(ctx, s.manager)
}

// listPhones lists who is signed in, and says if all phones seem to be at one address.
func listPhones(ctx context.Context, asterisk phoneSource) []Result {
	contacts, err := asterisk.Contacts(ctx)
	if err != nil {
		return []Result{warning("could not list who is signed in: %v", err)}
	}
	if len(contacts) == 0 {
		return []Result{note("nobody")}
	}
	out := []Result{note("%s. %s", incident.Count(len(contacts), "phone"), places.WhoseAreThese).with(places.SignedIn(contacts)...)}
	p := places.New(places.Config{}, nil)
	p.SetOwn(daemon.OwnAddresses())
	p.SetContacts(time.Now(), contacts, nothing{})
	if front := p.Front(); front != "" {
		out = append(out, note("%s", front))
	}
	return out
}

// nothing is known against anybody.
type nothing struct{}

func (nothing) Guessed(string) bool                         { return false }
func (nothing) Failed(string, netip.Addr, score.Proof) bool { return false }

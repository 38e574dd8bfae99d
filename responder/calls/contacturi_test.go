package calls_test

import (
	"net/netip"
	"testing"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/places"
)

// Whoever registers an extension with the contact of a number at the carrier has the PBX call
// that number whenever the extension is called.
func TestRegistrationAtTheCarrier(t *testing.T) {
	for _, tc := range []struct {
		name, uri string
		dial      string // "1003"
		leaves    bool
	}{
		{name: "a phone", uri: "sip:1003@198.51.100.10:5060"},
		{name: "a phone behind a NAT", uri: "sip:1003@10.0.0.7:5060;ob"},
		{name: "a phone behind a NAT, with a name of its own", uri: "sip:447911123456@10.0.0.7:5060"},
		{name: "a phone at a proxy that is a carrier, too", uri: "sip:1003@203.0.113.200"},
		{name: "Asterisk does not say"},
		{name: "a satellite number", uri: "sip:00881612345678@203.0.113.200:5060", leaves: true},
		{name: "a satellite number, in brackets", uri: "<SIP:00881612345678@203.0.113.200>", leaves: true},
		{name: "a phone behind a NAT, dialled by its contact", uri: "sip:447911123456@10.0.0.7:5060", dial: "1003/sip:447911123456@10.0.0.7:5060"},
		{name: "a satellite number at a gateway that logs in like a phone", uri: "sip:gw@198.51.100.10", dial: "1003/sip:00881612345678@198.51.100.10", leaves: true},
		{name: "a satellite number at the carrier, dialled by the contact", uri: "sip:00881612345678@203.0.113.200", dial: "1003/sip:00881612345678@203.0.113.200", leaves: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(calls.Rules{Dialling: numbers.Dialling{Country: "GB", Internal: 6}, Limits: calls.Limits{Destinations: calls.Destinations{Deny: []string{"satellite"}}}})
			s.places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix("203.0.113.200/32")}})
			s.Contacts(noon, []calls.Contact{{Account: "1003", Source: office.Source, URI: tc.uri}})
			x := calls.Dial{By: "PJSIP/carrier-00000001", Exten: "1003", Channel: "PJSIP/1003-00000002", String: "1003"}
			if tc.dial != "" {
				x.String = tc.dial
			}
			s.CameIn(x.By, x.Exten)
			s.Dial(x)
			leg, signs, ok := s.Leaves(noon, x)
			if ok != tc.leaves || ok && (!leg.Forbidden || len(signs) == 0) {
				t.Errorf("leaves: %v, %v: %+v", ok, signs, leg)
			}
			if tc.leaves && tc.dial == "" && leg.Cause != "1003" {
				t.Errorf("caused by %s", leg.Cause)
			}
		})
	}
}

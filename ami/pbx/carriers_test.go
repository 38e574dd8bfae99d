package pbx

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
)

// With more trunks than are asked about one by one the list comes with an error.
func TestCarriersSayWhenThereAreMore(t *testing.T) {
	for trunks, complete := range map[int]bool{maxTrunks: true, maxTrunks + 1: false} {
		asked := 0
		m := New(script(func(a ami.Action) (*ami.Response, error) {
			r := &ami.Response{}
			switch a.Name {
			case "ListCommands":
				r.Fields = message("PJSIPShowEndpoint", "Shows.  (Priv: system,all)")
			case "GetConfig":
				if ami.Message(a.Fields).Get("Filename") == "sorcery.conf" {
					r.Fields = message("Category-000000", "res_pjsip_endpoint_identifier_ip", "Line-000000-000000", "identify=realtime,ps_endpoint_id_ips")
				}
			case "PJSIPShowEndpoints":
				for n := range trunks {
					r.Events = append(r.Events, message("Event", "EndpointList", "ObjectName", fmt.Sprintf("trunk%d", n), "Auths", ""))
				}
			case "PJSIPShowEndpoint":
				asked++
				r.Events = append(r.Events, message("Event", "IdentifyDetail", "Match", fmt.Sprintf("203.0.%d.%d", asked>>8, asked&255)))
			}
			return r, nil
		}), Options{})
		list, err := m.Carriers(t.Context())
		if len(list) != maxTrunks || (err == nil) != complete || !complete && !errors.Is(err, ErrManyTrunks) {
			t.Errorf("of %d: %d, %v", trunks, len(list), err)
		}
	}
}

// A host in any of the forms in which the channel drivers write one.
func TestHostOf(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"203.0.113.9":                   "203.0.113.9",
		"203.0.113.9:5070":              "203.0.113.9",
		"carrier.example.org":           "carrier.example.org",
		"carrier.example.org:5061":      "carrier.example.org",
		"sip:203.0.113.9:5080;lr":       "203.0.113.9",
		"sips:us@carrier.example.org":   "carrier.example.org",
		"tls://carrier.example.org:561": "carrier.example.org",
		"[2001:db8::9]:5060":            "2001:db8::9",
		"2001:db8::9":                   "2001:db8::9",
		"sip:[2001:db8::9]:5060":        "2001:db8::9",
		"(null)":                        "",
	} {
		if got := hostOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What a phone writes into its registration never makes another address a carrier.
func TestRegisteredContactsAreNoCarriers(t *testing.T) {
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		r := &ami.Response{}
		switch a.Name {
		case "ListCommands":
			r.Fields = message("PJSIPShowEndpoint", "Shows.  (Priv: system,all)", "PJSIPShowAors", "Lists.  (Priv: system,all)")
		case "PJSIPShowAors":
			r.Events = append(
				r.Events,
				message("Event", "AorList", "ObjectName", "1001", "MaxContacts", "2", "Contacts", "1001/sip:1001@198.51.100.9;x=a,carrier/sip:c@192.0.2.66", "OutboundProxy", ""),
				message("Event", "AorList", "ObjectName", "carrier", "MaxContacts", "0", "Contacts", "carrier/sip:203.0.113.81:5070,carrier/sip:us@203.0.113.82", "OutboundProxy", "sip:203.0.113.83;lr"),
			)
		}
		return r, nil
	}), Options{})
	list, err := m.Carriers(t.Context())
	if got, want := fmt.Sprint(list), "[{203.0.113.81/32 contact of carrier} {203.0.113.82/32 contact of carrier} {203.0.113.83/32 outbound proxy of carrier}]"; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

package pbx

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
)

// A contact that cannot be removed is named, not passed over.
func TestExpireNamesContactsOfTheConfiguration(t *testing.T) {
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		switch a.Name {
		case "PJSIPShowEndpoint":
			return &ami.Response{Events: []ami.Message{
				message("Event", "EndpointDetail"),
				message("Event", "ContactStatusDetail", "AOR", "1002", "ID", "1002@@8f", "URI", "sip:thief@203.0.113.66"),
			}}, nil
		case "PJSIPShowContacts":
			return nil, refusal(a, "No Contacts found")
		}
		return nil, refusal(a, "Invalid/unknown command: "+a.Name)
	}), Options{})
	detail, err := m.RemoveRegistrations(t.Context(), "1002")
	if err != nil || !strings.Contains(detail, "0 registrations removed") || !strings.Contains(detail, "sip:thief@203.0.113.66") {
		t.Errorf("%q, %v", detail, err)
	}
}

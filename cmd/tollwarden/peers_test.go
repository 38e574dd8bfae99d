package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/peer"
)

// Who must not have Asterisk rewrite its files says so in the configuration.
func TestDirectEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tollwarden.toml")
	for text, want := range map[string]bool{"": false, "direct_edit = false\n": false, "direct_edit = true\n": true} {
		if err := os.WriteFile(path, []byte("[asterisk]\nusername = \"warden\"\nsecret = \"x\"\n[rotate]\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := loadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := peerOptions(cfg); err != nil || o.DirectEdit != want {
			t.Errorf("%q: direct edit %v, want %v, %v", text, o.DirectEdit, want, err)
		}
	}
}

// wired is an Asterisk that has one account, whose contact stands in its
// configuration.
type wired struct{}

func (wired) Do(_ context.Context, a ami.Action) (*ami.Response, error) {
	switch a.Name {
	case "PJSIPShowEndpoint":
		return &ami.Response{Events: []ami.Message{
			{{Name: "Event", Value: "EndpointDetail"}},
			{{Name: "Event", Value: "ContactStatusDetail"}, {Name: "AOR", Value: "1002"}, {Name: "ID", Value: "1002@@8f"}, {Name: "URI", Value: "sip:thief@203.0.113.66"}},
		}}, nil
	case "PJSIPShowContacts":
		return nil, &ami.Error{Action: a.Name, Message: "No Contacts found"}
	}
	return nil, &ami.Error{Action: a.Name, Message: "Invalid/unknown command: " + a.Name}
}

// A contact that nobody can throw out is named, not counted as none.
func TestContactsOfTheConfigurationAreTold(t *testing.T) {
	p := &pbx{manager: peer.New(wired{}, peer.Options{})}
	detail, err := p.ExpireContacts(t.Context(), "1002")
	if err != nil || !strings.Contains(detail, "0 registrations thrown out") || !strings.Contains(detail, "sip:thief@203.0.113.66") {
		t.Errorf("%q, %v", detail, err)
	}
}

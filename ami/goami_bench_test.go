package ami_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
)

// BenchmarkActions sends the same actions with Do and through goami's functions.
func BenchmarkActions(b *testing.B) {
	for _, n := range []int{1, 20, 200} {
		p := startPBX(b, amitest.Options{WriteTimeout: time.Minute})
		for i := range n {
			account := fmt.Sprint(1000 + i)
			if err := p.AddAccount(amitest.Account{Name: account, Secret: "x"}); err != nil {
				b.Fatal(err)
			}
			p.Register(amitest.Contact{Account: account, Via: netip.MustParseAddrPort("203.0.113.66:5060"), UserAgent: "desk phone"})
			p.AddChannel(amitest.Channel{Account: account, Exten: "0011442079460001", State: 6})
		}
		c := connect(b, p, "off", nil)
		for _, a := range []struct {
			action ami.Action
			list   []string // headers of list items that package pbx reads
			goami  func(ctx context.Context, s goami.Client) error
		}{
			{act("Ping"), nil, func(ctx context.Context, s goami.Client) error { return goami.Ping(ctx, s, "") }},
			{act("Getvar", "Variable", "X"), nil, func(ctx context.Context, s goami.Client) error {
				_, err := goami.Getvar(ctx, s, "", "", "X")
				return err
			}},
			{act("ListCommands"), nil, func(ctx context.Context, s goami.Client) error {
				_, err := goami.ListCommands(ctx, s, "")
				return err
			}},
			{act("PJSIPShowEndpoint", "Endpoint", "1000"), nil, func(ctx context.Context, s goami.Client) error {
				_, err := goami.PJSIPShowEndpoint(ctx, s, "", "1000")
				return err
			}},
			{act("CoreShowChannels"), []string{"Channel", "Uniqueid", "Linkedid", "Exten", "Duration", "ChannelStateDesc", "Application"}, func(ctx context.Context, s goami.Client) error {
				_, err := goami.CoreShowChannels(ctx, s, "")
				return err
			}},
			{act("PJSIPShowContacts"), []string{"ObjectName", "Endpoint", "ViaAddr", "ViaPort", "UserAgent", "Uri"}, func(ctx context.Context, s goami.Client) error {
				_, err := goami.PJSIPShowContacts(ctx, s, "")
				return err
			}},
			{act("PJSIPShowEndpoints"), []string{"ObjectName", "Auths"}, func(ctx context.Context, s goami.Client) error {
				_, err := goami.PJSIPShowEndpoints(ctx, s, "")
				return err
			}},
		} {
			if n > 1 && a.list == nil || n > 20 && a.action.Name == "PJSIPShowEndpoints" { // amitest is slow for this action
				continue
			}
			name := fmt.Sprintf("%s-%d", a.action.Name, n)
			b.Run(name+"/client=Do", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Do(b.Context(), a.action); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(name+"/client=goami", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := a.goami(b.Context(), ami.NewSession(c, a.list...)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/binds"
)

// portSource is what is asked for Asterisk's ports.
type portSource interface {
	Binds(ctx context.Context) (binds.Answer, error)
}

func ports(ctx context.Context, cfg *config.Config, s *session) []Result {
	return listPorts(ctx, s.manager, settings.Ports(cfg))
}

// listPorts says which ports Asterisk listens on, and warns if bans would not close
// some of them.
func listPorts(ctx context.Context, asterisk portSource, configured binds.Configured) (out []Result) {
	answer, err := asterisk.Binds(ctx)
	state := binds.New(configured, binds.Memory{})
	state.Learn(time.Now(), answer, err)
	udp, tcp := listening(state, binds.UDP), listening(state, binds.TCP)
	if udp != "" {
		out = append(out, passed("Asterisk listens for SIP and IAX2 on UDP port %s: bans close them, also to IP addresses that may be spoofed, as well as the ports in firewall.sip_ports", udp))
	} else if err == nil {
		out = append(out, warning("Asterisk listens for SIP and IAX2 on no UDP port: only the ports in firewall.sip_ports are closed to IP addresses that may be spoofed").
			fix("asterisk -rx 'pjsip show transports'"))
	}
	if tcp != "" {
		out = append(out, passed("it listens on TCP port %s: a confirmed guesser's bans close them, as well as the ports in firewall.sip_tcp_ports", tcp))
	}
	if err != nil {
		out = append(out, warning("could not ask Asterisk for all of its ports: %v: bans close the others only if firewall.sip_ports or firewall.sip_tcp_ports lists them, or if they close everything", err))
	}
	for _, p := range []binds.Protocol{binds.UDP, binds.TCP} {
		if _, left := state.Open(p); left > 0 {
			out = append(out, warning("%d more %s ports cannot be closed: at most %d can", left, p, binds.MaxPorts))
		}
	}
	return out
}

// listening lists the ports of a protocol on which Asterisk listens, with what does.
func listening(state *binds.State, p binds.Protocol) string {
	var found []string
	for _, port := range state.Ports(p) {
		for _, d := range port.Drivers {
			found = append(found, fmt.Sprintf("%d (%s)", port.Number, d.Words()))
		}
	}
	return strings.Join(found, ", ")
}

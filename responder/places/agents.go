package places

import (
	"net/netip"
	"slices"

	"github.com/tollwarden/tollwarden/ami/event"
)

type agentKey struct {
	account string
	source  netip.Prefix
}

const (
	maxAgents = 1 << 14
	maxAgent  = 80 // bytes of a User-Agent that are shown
)

func (p *Places) learnAgents(contacts []Contact) {
	for _, c := range contacts {
		of := agentKey{c.Account, event.SourcePrefix(c.Source)}
		if _, known := p.agents[of]; c.Agent != "" && (known || len(p.agents) < maxAgents) {
			p.agents[of] = c.Agent
		}
	}
}

// Agent is what an account's phone at an address calls itself; "" when that is
// not known.
func (p *Places) Agent(account string, source netip.Prefix) string {
	agent := p.agents[agentKey{account, source}]
	phones, _ := p.phones.Get(source)
	for _, is := range phones {
		if is.account == account && is.agent != "" {
			agent = is.agent
			break
		}
	}
	return agent[:min(len(agent), maxAgent)]
}

// Phones says how many phones of other accounts are in use at an address, and
// what the account's own phone calls itself there, the one at this port first.
func (p *Places) Phones(account string, source netip.Prefix, port uint16) (others int, agent string) {
	phones, _ := p.phones.Get(source)
	for _, is := range phones {
		if is.account != account {
			others++
		} else if is.agent != "" && (agent == "" || is.port == port) {
			agent = is.agent
		}
	}
	if agent == "" {
		agent = p.agents[agentKey{account, source}]
	}
	return others, agent
}

// Speaks says whether a phone is registered at exactly this address and port.
func (p *Places) Speaks(at netip.AddrPort) bool {
	phones, _ := p.phones.Get(event.SourcePrefix(at.Addr()))
	return slices.ContainsFunc(phones, func(is phone) bool {
		return is.port != 0 && is.port == at.Port() && is.addr == at.Addr().Unmap()
	})
}

package replay

import (
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// recorder collects the incidents that the judge opens; their steps are not
// carried out.
type recorder struct {
	judge.Discard
	player *player
}

// Record numbers an incident and keeps it for play.
func (r recorder) Record(i *incident.Incident) {
	p := r.player
	p.opened++
	i.ID = p.opened
	kept := i.Clone()
	kept.Evidence = nil // that of a whole month would not fit in memory
	p.fresh = append(p.fresh, kept)
	p.ban(i, 0)
}

// Extend keeps an incident as it stands now.
func (r recorder) Extend(i *incident.Incident, first int, _ []incident.Evidence) {
	r.Amend(i)
	r.player.ban(i, first)
}

// Prolong keeps a ban that is no new step.
func (r recorder) Prolong(ban incident.Ban) { r.player.keepBan(ban) }

// Amend keeps an incident as it stands now.
func (r recorder) Amend(i *incident.Incident) {
	p := r.player
	now := i.Clone()
	now.Evidence = nil
	for n := range p.fresh {
		if p.fresh[n].ID == i.ID {
			p.fresh[n] = now
			return
		}
	}
	if n := int(i.ID) - 1; n < len(p.incidents) {
		p.incidents[n] = now
	}
}

// add adds an incident to the result.
func (p *player) add(i *incident.Incident) {
	if len(p.incidents) < MaxIncidents {
		p.incidents = append(p.incidents, *i)
	} else {
		p.dropped++
	}
	if a := p.account([]byte(i.Account)); a != nil {
		a.Incidents++
	}
}

// ban keeps the bans of an incident's steps from number first on.
func (p *player) ban(i *incident.Incident, first int) {
	for _, s := range i.Steps[first:] {
		if s.Ban.Prefix.IsValid() {
			p.keepBan(s.Ban)
		}
	}
}

func (p *player) keepBan(ban incident.Ban) {
	b := p.bans[ban.Prefix]
	if b == nil {
		if len(p.bans) >= maxBans {
			return
		}
		b = &Ban{}
		p.bans[ban.Prefix] = b
	}
	b.Ban = ban
	b.Times++
}

func (p *player) account(name []byte) *Account {
	if len(name) == 0 || string(name) == event.Unknown {
		return nil
	}
	a := p.accounts[string(name)]
	if a == nil {
		if len(p.accounts) >= MaxAccounts {
			return nil
		}
		a = &Account{Name: strings.ToValidUTF8(string(name), "�")}
		p.accounts[string(name)] = a
	}
	return a
}

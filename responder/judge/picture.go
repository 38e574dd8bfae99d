package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// SetContacts takes the registrations that Asterisk holds; up are the channels
// that were up a moment before. JudgeContacts judges those that may be a thief's.
func (j *Judge) SetContacts(now time.Time, contacts []places.Contact, up []calls.Channel) {
	against := j.doubts.doubt(now, contacts)
	registered := make([]calls.Contact, len(contacts))
	j.doubts.contacts = nil
	for i, c := range contacts {
		registered[i] = calls.Contact{
			Account: c.Account, Source: c.Source, Agent: c.Agent, URI: c.URI,
			Unannounced: j.unannounced.has(c), Doubtful: against.isDoubtful(c.Account, c.Source),
		}
		if registered[i].Doubtful {
			j.doubts.contacts = append(j.doubts.contacts, c)
		}
	}
	j.Places.SetContacts(now, contacts, against)
	j.raise(now, j.Calls.Contacts(now, registered), nil)
	j.registered = j.registered[:0]
	for _, c := range contacts {
		j.registered = append(j.registered, c.Account)
	}
	for _, c := range up {
		if c.Account != "" {
			j.registered = append(j.registered, c.Account)
		}
	}
}

// Misbanned are the bans on spoofable evidence of protected addresses: of those
// that were spoofed while it was not known, as before a start's first questions,
// which addresses the PBX trusts. So are those of networks that must not be
// closed.
func (j *Judge) Misbanned(now time.Time) (list []incident.Ban) {
	if j.Bans.Spoofable() == 0 {
		return nil // no need to look at every home
	}
	for _, ban := range j.Bans.Closed() {
		if ban.InForce(now) && !j.Places.Closable(now, ban.Prefix) {
			list = append(list, ban)
		}
	}
	for protected := range j.Places.Protected() {
		for _, ban := range j.Bans.Within(now, protected) {
			if ban.Spoofable() && !ban.Network() {
				list = append(list, ban)
			}
		}
	}
	return list
}

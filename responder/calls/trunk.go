package calls

import "github.com/tollwarden/tollwarden/responder/score"

// trunkOf reports whether a channel is dialled outside the site, through which trunk, and
// which number is sent to it. Outside are
//
//   - the peers of trunks: accounts that need no login, those that Asterisk logs in to, and
//     the carriers of the rules;
//   - any other device that is sent an outside number: a gateway that logs in like a phone,
//     a host that is no peer, a line of DAHDI or of a technology that is not known here, a
//     phone whose registration leads to a carrier.
//
// A phone that is dialled by one of its contacts (PJSIP/1002/sip:…@…) is inside.
func (d *Detector) trunkOf(x Dial) (trunk, sent string, ok bool) {
	tech, peer := peerOf(x.Channel)
	if isInternal(tech) {
		return "", "", false
	}
	sent = numberIn(tech, x.String)
	if named(tech) {
		trunk = peer
		if d.isTrunk(peer) {
			return trunk, sent, true
		}
		if sent == "" {
			sent = d.redirected(peer)
		}
	} else {
		trunk = tech
	}
	n := d.rules.Dialling.Read(sent)
	return trunk, sent, n.External && sent != peer && !d.registered(peer, sent, hostIn(x.String))
}

// named reports whether peers of a technology are accounts.
func named(tech string) bool { return tech == "PJSIP" || tech == "SIP" || tech == "IAX2" }

// isTrunk reports whether an account is one of a trunk.
func (d *Detector) isTrunk(name string) bool {
	a, listed := d.listed[name]
	return d.rules.isCarrier(name) || listed && (!a.Login || a.Trunk)
}

// trunkName returns the origin of calls from a trunk's channel.
func trunkName(channel string) string {
	tech, peer := peerOf(channel)
	if named(tech) {
		return score.TrunkOrigins + peer
	}
	return score.TrunkOrigins + tech
}

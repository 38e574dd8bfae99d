package month

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// account is an extension.
type account struct {
	name     string
	chanSIP  bool
	password int // which one it is
	phones   []*phone
	redials  time.Time // until then its owner dials one number, again and again
	attacked bool      // by an attack that has to be stopped: what happens to it is no harm
}

// phone is a device with the password of an account, right or wrong.
type phone struct {
	id        int
	account   *account
	at        *uplink
	port      uint16
	transport event.Transport
	model     model
	lasts     time.Duration // its registration
	asks      bool          // it asks for another password instead of trying a wrong one again
	password  int
	off       bool
	forgotten bool   // nobody ever corrects its password
	why       string // its password is wrong, or was: what its failures are due to
	typed     bool   // somebody has just typed it

	// callID is that of its registrations. It keeps it until it restarts [16].
	callID string

	failures int // in a row
	lost     int // requests in a row that were not answered
	turn     int // whatever was planned before no longer counts
	contact  netip.AddrPort
	until    time.Time // the registration lasts
}

// healthy says whether the phone has the right password and is in use.
func (p *phone) healthy() bool { return !p.off && p.password == p.account.password }

func (p *phone) from() netip.AddrPort { return netip.AddrPortFrom(p.at.addr, p.port) }

// wrongPassword is none that an account ever has.
const wrongPassword = -1

// add gives an account a phone with its password.
func (b *pbx) add(a *account, at *uplink, transport event.Transport, m model) *phone {
	b.serial++
	p := &phone{id: b.serial, account: a, at: at, port: at.place(), transport: transport, model: m, lasts: lasts(b.rand), password: a.password}
	a.phones = append(a.phones, p)
	b.restarts(p)
	return p
}

// restarts gives a phone another Call-ID.
func (b *pbx) restarts(p *phone) {
	b.serial++
	p.callID = fmt.Sprintf("%08x-phone-%d", b.serial, p.id)
}

// register signs a phone in, and again whenever it is due.
func (b *pbx) register(p *phone) {
	if p.off {
		return
	}
	p.turn++
	turn := p.turn
	again := func(d time.Duration) {
		b.after(d, func() {
			if p.turn == turn {
				b.register(p)
			}
		})
	}
	switch b.signIn(p) {
	case accepted:
		p.failures, p.lost = 0, 0
		b.moved = b.moved || p.contact != p.from()
		p.contact, p.until = p.from(), b.now.Add(p.lasts)
		again(between(b.rand, p.lasts*4/5, p.lasts))
	case lost:
		p.lost++
		if p.transport.Connected() {
			p.port = p.at.place() // it connects again
		}
		again(min(30*time.Second<<min(p.lost, 6), 20*time.Minute))
	default:
		p.failures++
		if !p.asks {
			again(p.model.retry(b.rand, p.failures))
		}
	}
}

// move takes a phone to another network, in which it starts anew: some do, to be on the
// safe side all (an assumption).
func (b *pbx) move(p *phone, to *uplink) {
	b.restarts(p)
	b.renumber(p, to)
}

// renumber has a phone register from another address, or from where it was.
func (b *pbx) renumber(p *phone, to *uplink) {
	p.at, p.port = to, to.place()
	b.register(p)
}

// reconnect gives an access another address: its phones notice within a minute. Behind its
// router they go on as before, unless the power was gone, or a connection was lost: then
// half of them start anew (an assumption).
func (b *pbx) reconnect(u *uplink, power bool) {
	u.addr = u.next(b.rand)
	for _, a := range b.accounts {
		for _, p := range a.phones {
			if p.at == u && !p.off {
				b.after(between(b.rand, time.Second, time.Minute), func() {
					if p.at != u {
						return
					}
					if power || p.transport.Connected() && b.rand.IntN(2) == 0 {
						b.restarts(p)
					}
					b.renumber(p, u)
				})
			}
		}
	}
}

// enter has a person type the account's password into a phone, and correct it until it
// is right.
func (b *pbx) enter(p *phone, why string) {
	p.why, p.off, p.typed = why, false, true
	b.restarts(p)
	b.after(time.Hour, func() { p.typed = false })
	p.asks = b.rand.Float64() >= retryingApp
	var try func(wrong int)
	try = func(wrong int) {
		if wrong > 0 {
			p.password = wrongPassword
			b.register(p)
			b.after(between(b.rand, 15*time.Second, time.Minute), func() { try(wrong - 1) })
			return
		}
		p.password, p.asks = p.account.password, false
		b.register(p)
	}
	try(wrongTries(b.rand))
}

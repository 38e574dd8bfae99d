package month

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// noise is what attackers do in an ordinary month to every PBX.
func (b *pbx) noise() {
	var next func()
	next = func() {
		b.scanner()
		b.after(exponential(b.rand, 24*time.Hour/scannersADay), next)
	}
	b.after(exponential(b.rand, 24*time.Hour/scannersADay), next)
	// A botnet that guesses at one extension for two days, from 80 addresses that are
	// confirmed, twice each; and blind packets, four a day at each of two extensions: too few
	// to be noticed, enough for a break-in. Assumptions.
	b.after(between(b.rand, 16*24*time.Hour, 28*24*time.Hour), func() {
		a := b.accounts[b.rand.IntN(len(b.accounts))]
		for range 80 {
			from := netip.AddrPortFrom(internet.draw(b.rand), 5060)
			for range 2 {
				b.after(between(b.rand, 0, 48*time.Hour), func() { b.guess(a, from, event.UDP, false, "botnet") })
			}
		}
	})
	b.every(24*time.Hour, func() {
		for range 2 {
			a := b.accounts[b.rand.IntN(len(b.accounts))]
			for range 4 {
				b.after(between(b.rand, 0, 24*time.Hour), func() {
					b.guess(a, netip.AddrPortFrom(internet.draw(b.rand), 5060), event.UDP, true, "spoofed packet")
				})
			}
		}
	})
}

// guess is one wrong password of an attacker.
func (b *pbx) guess(a *account, from netip.AddrPort, transport event.Transport, blind bool, why string) (answered bool) {
	return b.ask(request{account: a.name, chanSIP: a.chanSIP, from: from, transport: transport, blind: blind, why: why}) != lost
}

// scanner is one that comes along. Most look for extensions; some guess passwords of
// those that exist. It gives up after three requests without an answer.
func (b *pbx) scanner() {
	b.report.Scanners++
	from := netip.AddrPortFrom(internet.draw(b.rand), 5060)
	if b.rand.IntN(20) == 0 { // an infected computer at home
		from = netip.AddrPortFrom(dsl[0].draw(b.rand), 5060)
	}
	if b.rand.Float64() >= knowing {
		b.repeat(100, between(b.rand, 50*time.Millisecond, time.Second), func(n int) bool { return b.probe(from, event.UDP, fmt.Sprint(100+n)) })
		return
	}
	first, blind, transport := b.rand.IntN(len(b.accounts)), b.rand.Float64() < spoofing, event.UDP
	if !blind && b.rand.IntN(4) == 0 {
		transport = event.TCP
	}
	if b.rand.IntN(2) == 0 {
		first = 0
	}
	b.repeat(200, between(b.rand, 100*time.Millisecond, 10*time.Minute), func(n int) bool {
		return b.guess(b.accounts[(first+n)%len(b.accounts)], from, transport, blind, "scanner")
	})
}

// probe is a request for an extension that does not exist.
func (b *pbx) probe(from netip.AddrPort, transport event.Transport, name string) (answered bool) {
	if _, dropped := b.drops(from, transport); dropped || b.down {
		return false
	}
	b.serial++
	b.session = fmt.Appendf(b.session[:0], "p%d", b.serial)
	b.blame[from.Addr()] = "scanner"
	b.security(event.InvalidAccountID, request{from: from, transport: transport, blind: true}, name)
	return true
}

// repeat does something until it is not answered three times in a row.
func (b *pbx) repeat(most int, every time.Duration, do func(n int) (answered bool)) {
	n, silent := 0, 0
	var next func()
	next = func() {
		if do(n) {
			silent = 0
		} else {
			silent++
		}
		if n++; n < most && silent < 3 {
			b.after(every, next)
		}
	}
	next()
}

// strangersAt are others at the addresses of the site's people: an infected computer
// that tries three extensions, and a phone of an extension that was deleted.
func (b *pbx) strangersAt(infected, left int, where func() *uplink) {
	for range infected {
		b.after(between(b.rand, 24*time.Hour, (Days-1)*24*time.Hour), func() {
			at := where()
			port, transport := at.place(), []event.Transport{event.UDP, event.TCP}[b.rand.IntN(2)]
			first := b.rand.IntN(len(b.accounts))
			b.repeat(30, between(b.rand, time.Second, time.Minute), func(n int) bool {
				return b.guess(b.accounts[(first+n)%len(b.accounts)], netip.AddrPortFrom(at.addr, port), transport, false, "an infected computer at the same address")
			})
		})
	}
	for range left {
		b.after(between(b.rand, 24*time.Hour, (Days-2)*24*time.Hour), func() {
			at := where()
			port, transport := at.place(), []event.Transport{event.UDP, event.UDP, event.TCP}[b.rand.IntN(3)]
			b.repeat(5000, 2*time.Minute, func(int) bool {
				answered := b.probe(netip.AddrPortFrom(at.addr, port), transport, "1099")
				b.blame[at.addr] = "a phone of a deleted extension"
				return answered
			})
		})
	}
}

package slow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Raises reports whether this package raises a signal.
func Raises(s score.Signal) bool {
	return s >= score.SlowGuesser && s <= score.GuessingCampaign
}

// maxRecords bounds the evidence for one signal. An incident keeps a hundred records,
// the signal among them.
const maxRecords = 99

// Evidence returns what a signal of this package rests on: for each address and
// account the last failure, the oldest first.
func (g *Guesses) Evidence(cause *score.Record) []score.Record {
	list := g.involved(cause)
	each := maxRecords // of one address, so that many addresses do not hide each other
	if cause.Signal == score.GuessingCampaign {
		each = max(1, maxRecords/max(1, len(list)))
	}
	target := g.targets.find([]byte(cause.Account))
	ofTarget := cause.Signal == score.SlowAttack || cause.Signal == score.LastingFailures
	var records []score.Record
	for _, x := range list {
		left := each
		for k := range x.tries[:x.n] {
			t := &x.tries[k]
			if ofTarget && t.target != target || left == 0 || len(records) == maxRecords {
				continue
			}
			left--
			proof := score.Spoofable
			if t.proven > 0 {
				proof = score.Proven
			}
			records = append(records, score.Record{
				At: time.UnixMicro(t.last).UTC(), Signal: t.signal, Source: x.prefix.Addr(), Port: t.port,
				Transport: t.transport, Proof: proof, Account: g.targets.at(t.target).name,
			})
		}
	}
	slices.SortStableFunc(records, func(a, b score.Record) int { return a.At.Compare(b.At) })
	return records
}

// involved returns the addresses that a signal rests on, the most valuable first.
func (g *Guesses) involved(cause *score.Record) (list []*guesser) {
	source, network := event.SourcePrefix(cause.Source), event.NetworkPrefix(cause.Source)
	if cause.Signal == score.SlowGuesser {
		if i, ok := g.sources.index[source]; ok {
			list = append(list, g.sources.at(i))
		}
		return list
	}
	target := g.targets.find([]byte(cause.Account))
	g.sources.each(func(x *guesser) bool {
		var ok bool
		switch cause.Signal {
		case score.SlowNetwork:
			ok = network.Contains(x.prefix.Addr())
		case score.SlowAttack, score.LastingFailures:
			ok = x.find(target) >= 0
		case score.GuessingCampaign:
			ok = true
		}
		if ok {
			list = append(list, x)
		}
		return true
	})
	return list
}

// Explain says in words what a signal of this package rests on, such as
//
//	9 wrong passwords in 2 days for accounts not used at this address: 1001 (3), 1002 (6)
func (g *Guesses) Explain(cause *score.Record) string {
	list := g.involved(cause)
	span := span(list)
	switch cause.Signal {
	case score.SlowGuesser:
		if len(list) == 0 {
			return ""
		}
		failures, accounts := g.accounts(list[0])
		return fmt.Sprintf("%s within %s for extensions that are not used at this address: %s", count(failures, "wrong password"), span, accounts)
	case score.SlowNetwork:
		return fmt.Sprintf("wrong passwords within %s for extensions that are not used in this network, from %s: %s", span, count(len(list), "address"), g.addresses(list))
	case score.SlowAttack:
		return fmt.Sprintf("wrong passwords for this extension from changing addresses, where it is not used, over %s: %s", span, sources(list))
	case score.LastingFailures:
		return fmt.Sprintf("wrong passwords for this extension over %s where it is not used, by an attacker or a phone with an old password: %s", span, sources(list))
	default:
		return fmt.Sprintf("%s guessed at within %s from %s where they are not used: %s", count(g.targets.guessed, "extension"), span, count(len(list), "address"), g.addresses(list))
	}
}

// shown is how many addresses a sentence names.
const shown = 8

// addresses lists addresses with their failures.
func (g *Guesses) addresses(list []*guesser) string {
	var b strings.Builder
	for i, x := range list[:min(len(list), shown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		all, _ := x.count()
		more := ""
		if x.more {
			more = " or more"
		}
		fmt.Fprintf(&b, "%s (%s, %s%s)", x.prefix.Addr(), count(all.failures, "guess"), count(all.accounts, "extension"), more)
	}
	return b.String() + notShown(len(list))
}

// accounts lists the accounts of an address with its failures for each.
func (g *Guesses) accounts(x *guesser) (failures int, text string) {
	var names []string
	for k := range x.tries[:x.n] {
		t := &x.tries[k]
		failures += int(t.failures)
		names = append(names, fmt.Sprintf("%s (%d)", score.Printable(g.targets.at(t.target).name), t.failures))
	}
	slices.Sort(names)
	text = strings.Join(names, ", ")
	if x.more {
		text += " and more"
	}
	return failures, text
}

// sources lists addresses.
func sources(list []*guesser) string {
	names := make([]string, 0, shown)
	for _, x := range list[:min(len(list), shown)] {
		names = append(names, x.prefix.Addr().String())
	}
	return strings.Join(names, ", ") + notShown(len(list))
}

// notShown says how many addresses of a list are not named.
func notShown(n int) string {
	if n <= shown {
		return ""
	}
	return fmt.Sprintf(" and %d more", n-shown)
}

// span is the time from the first to the last failure, rounded for people.
func span(list []*guesser) string {
	var first, last int64
	for _, x := range list {
		for k := range x.tries[:x.n] {
			if t := &x.tries[k]; first == 0 || t.first < first {
				first = t.first
			}
			last = max(last, x.tries[k].last)
		}
	}
	d := time.Duration(last-first) * time.Microsecond
	switch {
	case d < time.Hour:
		return count(int(d/time.Minute)+1, "minute")
	case d < 48*time.Hour:
		return count(int(d/time.Hour)+1, "hour")
	default:
		return count(int(d/(24*time.Hour))+1, "day")
	}
}

// count is incident.Count, which this package must not import, for words in s, too.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

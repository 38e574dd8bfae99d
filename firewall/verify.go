package firewall

import (
	"net/netip"
	"time"
)

// samples is how many bans of each set Verify asks the kernel for.
const samples = 16

// compare implements backend: the shape of the table, the number of elements where
// the kernel says it, and samples of them. Elements are never listed.
func (k *Kernel) compare(now expiry) ([]string, error) {
	in, err := k.inspect(k.name)
	if err != nil {
		return nil, explain(err)
	}
	for id := range setCount {
		f, ok := in.sets[sets[id].name]
		if !ok || k.unread[id] {
			continue
		}
		if err := k.sample(in, id, now); err != nil {
			return nil, explain(err)
		}
		k.count(in, id, f.elements, now)
	}
	return in.findings, nil
}

// soon is when a ban is too near its end to ask the kernel for it.
const soon = expiry(2 * time.Second)

// sample asks for a few bans that are in force for some time yet.
func (k *Kernel) sample(in *inspection, id setID, now expiry) error {
	var wanted []netip.Addr
	for s := range k.expected(id) {
		if s.until < now+soon {
			continue
		}
		if wanted = append(wanted, s.first); len(wanted) == samples {
			break
		}
	}
	found := make(map[netip.Addr]bool, len(wanted))
	if err := k.reader.get(k.name, sets[id].name, wanted, func(e element) { found[e.key] = true }); err != nil {
		return err
	}
	for _, key := range wanted {
		if !found[key] {
			in.find("set %s: lacks %s", sets[id].name, key)
		}
	}
	return nil
}

// count compares the number of elements with what has to be there. More than
// that is no finding: what has run out is collected some time later.
func (k *Kernel) count(in *inspection, id setID, elements int, now expiry) {
	if elements < 0 {
		return
	}
	least := 0
	for s := range k.expected(id) {
		switch {
		case s.until < now+soon:
		case !sets[id].interval:
			least += 2
		case s.last.Next().IsValid():
			least += 2 // start and end
		default:
			least++
		}
	}
	// The kernel counts a start and an end as one, and rounds down.
	if least /= 2; elements < least {
		in.find("set %s: holds %d elements, wanted %d", sets[id].name, elements, least)
	}
}

// expected yields what a set should hold.
func (k *Kernel) expected(id setID) func(func(interval) bool) {
	return func(yield func(interval) bool) {
		for _, s := range k.held[id] {
			if !yield(s) {
				return
			}
		}
		if sets[id].interval {
			return
		}
		for p, until := range k.mirror.in(id) {
			if !yield(host(p.Addr(), until)) {
				return
			}
		}
	}
}

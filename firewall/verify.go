package firewall

import (
	"net/netip"
	"time"
)

// samples is how many bans of each set Verify looks up in the kernel.
const samples = 16

// compare implements backend. It compares the structure of the table, the number
// of elements if the kernel reports it, and samples of them, and never lists them.
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

// soon is how close to its end a ban may be missing from the kernel.
const soon = expiry(2 * time.Second)

// sample looks up a few bans that do not end soon.
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

// count compares the number of elements with what must be there. There may be
// more: elements that have run out are collected later.
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
	// The kernel counts a start and an end as one and rounds down.
	if least /= 2; elements < least {
		in.find("set %s: holds %d elements, wanted %d", sets[id].name, elements, least)
	}
}

// expected yields the elements that a set should hold.
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

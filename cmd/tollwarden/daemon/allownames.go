package daemon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/places"
)

const (
	// namesEvery is how often host names on the allow list are resolved: an address that
	// DynDNS publishes is that of a phone within minutes.
	namesEvery = time.Minute
	// maxPerName bounds the addresses of one name: it stands for a home or an office, and
	// whoever controls it must not make half the internet known.
	maxPerName = 4
)

// allowNames is where the host names on the allow list lead. It remembers that on disk:
// without DNS, a name stays where it was, also across a restart.
type allowNames struct {
	file   stateFile[map[string]ledTo]
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	log    zerolog.Logger

	mu  sync.Mutex
	led map[string]ledTo
}

// ledTo is where a name leads.
type ledTo struct {
	Addresses []netip.Addr `json:"addresses"`
	problem   string       // why this is not what DNS says; "" if it is
}

// openAllowNames reads where the names led to in the previous run. A file that cannot be
// read prevents no start.
func openAllowNames(data string, lookup func(context.Context, string) ([]netip.Addr, error), log zerolog.Logger) *allowNames {
	file, err := openStateFile[map[string]ledTo](filepath.Join(data, "allow-names.json"))
	if err != nil {
		log.Error().Err(err).Msg("could not read where the host names on the allow list led to: continuing without")
	}
	if file.kept == nil {
		file.kept = map[string]ledTo{} // no names need no file
	}
	n := &allowNames{file: file, lookup: lookup, log: log, led: map[string]ledTo{}}
	maps.Copy(n.led, file.kept)
	return n
}

// refresh resolves the names on the list, and forgets those that are no longer on it.
func (n *allowNames) refresh(ctx context.Context, names func() []string) {
	for _, name := range names() {
		n.add(ctx, name)
	}
	list := names()
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.led, func(name string, _ ledTo) bool { return !slices.Contains(list, name) })
	if err := n.keep(); err != nil {
		n.log.Error().Err(err).Msg("could not write where the host names on the allow list lead")
	}
}

// add resolves a name.
func (n *allowNames) add(ctx context.Context, name string) {
	n.mu.Lock()
	before := n.led[name].Addresses
	n.mu.Unlock()
	to := n.resolve(ctx, name, before)
	if ctx.Err() != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.led[name] = to
}

func (n *allowNames) resolve(ctx context.Context, name string, before []netip.Addr) ledTo {
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	answer, err := n.lookup(ctx, name)
	if err != nil {
		return ledTo{before, err.Error()}
	}
	return leadsTo(answer, before)
}

// leadsTo picks the addresses that count: public ones, and when there are too many those
// that counted before.
func leadsTo(answer, before []netip.Addr) (to ledTo) {
	var list []netip.Addr
	for _, a := range answer {
		if a = a.Unmap().WithZone(""); a.IsGlobalUnicast() && !a.IsPrivate() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(x, y netip.Addr) int {
		new := func(a netip.Addr) int {
			if slices.Contains(before, a) {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(new(x), new(y)), x.Compare(y))
	})
	switch {
	case len(list) == 0:
		return ledTo{before, "it has no public address"}
	case len(list) > maxPerName:
		to.problem = fmt.Sprintf("it has %d addresses, of which %d count", len(list), maxPerName)
		list = list[:maxPerName]
	}
	slices.SortFunc(list, netip.Addr.Compare)
	to.Addresses = list
	return to
}

// keep writes the file, without what is wrong with a name. The caller holds the lock.
func (n *allowNames) keep() error {
	now := map[string]ledTo{}
	for name, to := range n.led {
		now[name] = ledTo{Addresses: to.Addresses}
	}
	return n.file.write(now)
}

// of is where a name leads, and what is wrong with that.
func (n *allowNames) of(name string) ([]netip.Addr, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to, resolved := n.led[name]
	if !resolved {
		return nil, "not resolved yet"
	}
	return to.Addresses, to.problem
}

// places are the addresses of names, as places where extensions are known.
func (n *allowNames) places(names []string) (list []places.Protected) {
	for _, name := range names {
		addresses, _ := n.of(name)
		for _, a := range addresses {
			list = append(list, places.Protected{Prefix: netip.PrefixFrom(a, a.BitLen()), Why: name + " on the allow list"})
		}
	}
	return list
}

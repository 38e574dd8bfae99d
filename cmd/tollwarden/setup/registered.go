package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// registration is a phone that is signed in.
type registration struct {
	extension string
	address   netip.Addr // where it really comes from
	agent     string     // what it calls itself, if that is known
}

func (r registration) String() string {
	text := fmt.Sprintf("extension %s from %s", r.extension, r.address)
	if r.agent != "" {
		text += " (" + r.agent + ")"
	}
	return text
}

// registered are the phones in Asterisk's own database, which PJSIP, chan_sip and chan_iax2
// keep there. No login to the manager interface is needed.
func registered(ctx context.Context, asterisk func(context.Context, string) ([]byte, error), now time.Time) (list []registration) {
	for _, family := range []string{"registrar/contact", "SIP/Registry", "IAX/Registry"} {
		out, err := asterisk(ctx, "database show "+family)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(out)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if key, found := strings.CutPrefix(strings.TrimSpace(key), "/"+family+"/"); ok && found {
				if r, ok := parseRegistration(family, key, strings.TrimSpace(value), now); ok && !slices.Contains(list, r) {
					list = append(list, r)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b registration) int { return strings.Compare(a.extension, b.extension) })
	return list
}

// parseRegistration reads one entry. PJSIP's is JSON, the others' begin with address, port
// and seconds.
func parseRegistration(family, key, value string, now time.Time) (registration, bool) {
	if family == "registrar/contact" {
		var c struct {
			Address string `json:"via_addr"`
			URI     string `json:"uri"`
			Agent   string `json:"user_agent"`
			Until   string `json:"expiration_time"`
		}
		name, _, ok := strings.Cut(key, ";@")
		if !ok || json.Unmarshal([]byte(value), &c) != nil {
			return registration{}, false
		}
		if until, err := strconv.ParseInt(c.Until, 10, 64); err == nil && until < now.Unix() {
			return registration{}, false
		}
		a, err := netip.ParseAddr(strings.Trim(c.Address, "[]"))
		return registration{name, a.Unmap(), plain(c.Agent)}, err == nil
	}
	host := value
	if n := strings.Index(value, ":"); n > 0 && value[0] != '[' {
		host = value[:n]
	} else if h, _, err := net.SplitHostPort(value); err == nil {
		host = h
	} else if n := strings.Index(value, "]"); n > 0 {
		host = value[1:n]
	}
	a, err := netip.ParseAddr(host)
	return registration{extension: key, address: a.Unmap()}, err == nil
}

// maxAgent bounds what a phone may call itself.
const maxAgent = 40

// plain is a phone's text without what a terminal would obey.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), maxAgent)]
}

package replay

import (
	"bytes"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
)

// Call records do not say which endpoint is a phone and which is a carrier, and
// there is no Asterisk to ask. But a carrier is dialled with a number, and an
// endpoint that calls out through a carrier is a phone.

// accountsOf reads call records once before they are replayed, to find the
// accounts.
func accountsOf(sources []*source, zone *time.Location) ([]calls.Account, error) {
	phone := map[string]bool{} // false: a carrier
	for _, played := range sources {
		if played.Format != FormatCDR {
			continue
		}
		s, err := open(played.Path, zone, func(int) {})
		if err != nil {
			return nil, err
		}
		if r, ok := s.stream.(*records); ok {
			r.findAccounts(phone)
		}
		if err := s.closer(); err != nil {
			return nil, err
		}
	}
	var list []calls.Account
	for name, login := range phone {
		list = append(list, calls.Account{Name: name, Login: login})
	}
	return list, nil
}

// findAccounts finds the endpoints that call out, and the carriers they use.
func (s *records) findAccounts(phone map[string]bool) {
	for {
		line, _, err := readLine(s.in)
		if err != nil && len(line) == 0 {
			return
		}
		fields, ok := splitCSV(line, s.fields[:0])
		if s.fields = fields; !ok || len(fields) < cdrFields || !byNumber(dialled(fields[cdrData])) || len(phone) >= MaxAccounts {
			continue
		}
		if _, carrier, ok := event.SplitChannel(fields[cdrOutChannel]); ok {
			phone[string(carrier)] = false
		}
		if _, caller, ok := event.SplitChannel(fields[cdrChannel]); ok {
			if _, known := phone[string(caller)]; !known {
				phone[string(caller)] = true
			}
		}
	}
}

// byNumber reports whether a destination of Dial is a number and a carrier, in
// either order, rather than the contact of a phone.
func byNumber(destination []byte) bool {
	return bytes.ContainsAny(destination, "@/") && !bytes.Contains(destination, []byte("sip:"))
}

package replay

import (
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/cdr"
)

// Call records do not say which endpoint is a phone and which is a carrier, and
// there is no Asterisk to ask. But a carrier is dialled with a number, and an
// endpoint that calls out through a carrier is a phone.

// accountsOf reads call records once before they are replayed, to find the
// accounts.
func accountsOf(sources []*source) ([]calls.Account, error) {
	phone := map[string]bool{} // false: a carrier
	for _, played := range sources {
		if played.Format != FormatCDR {
			continue
		}
		s, err := played.again()
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
	for s.file.record(s.in, &s.record) {
		if r := &s.record; r.ByNumber() && len(phone) < MaxAccounts {
			if _, carrier, ok := cdr.SplitChannel(r.OutChannel); ok {
				phone[string(carrier)] = false
			}
			if _, caller, ok := cdr.SplitChannel(r.Channel); ok {
				if _, known := phone[string(caller)]; !known {
					phone[string(caller)] = true
				}
			}
		}
	}
}

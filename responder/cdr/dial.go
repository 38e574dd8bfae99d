package cdr

import (
	"bytes"

	"github.com/tollwarden/tollwarden/ami/event"
)

// destination is the destination of Dial's argument that the call was sent to, split into
// technology and the rest, such as PJSIP and 00442079460001@carrier. Of several
// ("PJSIP/1001&SIP/carrier/0044…"), it is the one that the dialled channel belongs to.
func (r *Record) destination() (tech, rest []byte) {
	list := destinations(r.Data)
	first := list
	if end := bytes.IndexByte(list, '&'); end >= 0 {
		first = list[:end]
		outTech, peer, _ := bytes.Cut(r.OutChannel, []byte{'/'})
		if dash := bytes.LastIndexByte(peer, '-'); dash > 0 {
			peer = peer[:dash]
		}
		for to := range bytes.SplitSeq(list, []byte{'&'}) {
			if t, device, _ := bytes.Cut(to, []byte{'/'}); len(peer) > 0 && bytes.Equal(t, outTech) && hasWord(device, peer) {
				first = to
				break
			}
		}
	}
	tech, rest, found := bytes.Cut(bytes.TrimSpace(first), []byte{'/'})
	if !found {
		return nil, tech
	}
	return tech, rest
}

// destinations are those of Dial's argument, without its timeout and options. Until 1.6 the
// arguments were separated by '|'.
func destinations(data []byte) []byte {
	if end := bytes.IndexAny(data, ",|"); end >= 0 {
		return data[:end]
	}
	return data
}

// hasWord reports whether a dial string names a device: "word", "word/…", "…@word".
func hasWord(text, word []byte) bool {
	for len(text) > 0 {
		end := bytes.IndexAny(text, "/@:")
		if end < 0 {
			return bytes.Equal(text, word)
		}
		if bytes.Equal(text[:end], word) {
			return true
		}
		text = text[end+1:]
	}
	return false
}

// Destination is what the record's call was sent to, without the technology, such as
// 00442079460001@carrier.
func (r *Record) Destination() []byte {
	_, to := r.destination()
	return to
}

// ByNumber reports whether the record's call was sent to a number at a carrier, rather
// than to the contact of a phone.
func (r *Record) ByNumber() bool {
	tech, to := r.destination()
	if string(tech) == "Local" { // its other half has a record of its own
		return false
	}
	number, peer, isURI := sent(tech, to)
	if !isURI {
		return len(number) > 0 && !bytes.Equal(number, peer)
	}
	number = bytes.TrimPrefix(number, []byte{'+'})
	return len(number) >= shortest && digits(number) && !bytes.Equal(peer, number)
}

// shortest is the shortest number of a carrier's customer: a phone's contact may begin
// with digits, too.
const shortest = 7

// Number is the number that Dial was asked to send to a carrier; empty if it names only a
// device.
func (r *Record) Number() []byte {
	tech, to := r.destination()
	number, _, _ := sent(tech, to)
	return number
}

// sent splits a destination without its technology into the number that is sent, and the
// device that it is sent through. isURI: the number is that of a URI.
//
//	0044…@trunk                        PJSIP, SIP, H323, Motif
//	trunk/sip:0044…@host;transport=tcp PJSIP, also sips: and tel:
//	trunk/0044…                        SIP
//	0044…@host//proxy                  SIP
//	user:password@peer:4569/0044…@context/options   IAX2
//	g0/0044…, i1/w0044…                DAHDI, mISDN, CAPI and others
//	0044…@context/n                    Local
func sent(tech, to []byte) (number, device []byte, isURI bool) {
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		if peer, uri, ok := bytes.Cut(to, []byte(scheme)); ok && (len(peer) == 0 || peer[len(peer)-1] == '/') {
			if end := bytes.IndexAny(uri, "@;?"); end >= 0 {
				uri = uri[:end]
			}
			return uri, bytes.TrimSuffix(peer, []byte{'/'}), true
		}
	}
	device, number, slash := bytes.Cut(to, []byte{'/'})
	switch {
	case string(tech) == event.IAX2:
		if at := bytes.LastIndexByte(device, '@'); at >= 0 {
			device = device[at+1:]
		}
		if end := bytes.IndexAny(number, "@/"); end >= 0 {
			number = number[:end]
		}
	case !slash || string(tech) == "Local" || bytes.HasPrefix(number, []byte{'/'}):
		var ok bool
		if number, device, ok = bytes.Cut(device, []byte{'@'}); !ok {
			return nil, number, false
		}
	case bytes.IndexByte(number, '/') >= 0:
		number = number[bytes.LastIndexByte(number, '/')+1:]
	}
	if end := bytes.IndexAny(number, ":;@!"); end >= 0 { // a password, parameters, a To of its own
		number = number[:end]
	}
	return bytes.TrimLeft(number, "wW"), device, false // waits for the dial tone
}

// Carrier is the name of the endpoint that the call was sent to by number; nil if it was
// not.
func (r *Record) Carrier() []byte {
	if _, name, ok := SplitChannel(r.OutChannel); ok && r.ByNumber() {
		return name
	}
	return nil
}

// Caller is the name of the endpoint that called; empty if it has none.
func (r *Record) Caller() []byte {
	_, name, _ := SplitChannel(r.Channel)
	return name
}

// SplitChannel is event.SplitChannel, but takes longer numbers at the end of IAX2's
// channels, too: some programs renumber what they export.
func SplitChannel(name []byte) (tech, account []byte, ok bool) {
	if tech, account, ok = event.SplitChannel(name); ok {
		return tech, account, ok
	}
	tech, rest, _ := bytes.Cut(name, []byte{'/'})
	dash := bytes.LastIndexByte(rest, '-')
	if string(tech) != event.IAX2 || dash < 1 || dash == len(rest)-1 || len(rest)-dash > 9 || len(bytes.Trim(rest[dash+1:], "0123456789abcdefABCDEF")) > 0 {
		return nil, nil, false
	}
	return tech, rest[:dash], true
}

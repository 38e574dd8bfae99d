package cdr

import (
	"bytes"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Destination is the first destination of Dial's argument without the technology, such
// as 00442079460001@carrier.
func Destination(data []byte) []byte {
	if end := bytes.IndexAny(data, ",|&"); end >= 0 {
		data = data[:end]
	}
	if slash := bytes.IndexByte(data, '/'); slash >= 0 {
		data = data[slash+1:]
	}
	return data
}

// ByNumber reports whether the record's call was sent to a number at a carrier, rather
// than to the contact of a phone.
func (r *Record) ByNumber() bool {
	to := Destination(r.Data)
	peer, uri, isURI := bytes.Cut(to, []byte("sip:"))
	if !isURI {
		return bytes.ContainsAny(to, "@/")
	}
	number, _, _ := bytes.Cut(uri, []byte{'@'})
	number = bytes.TrimPrefix(number, []byte{'+'})
	return len(number) >= shortest && digits(number) && !bytes.Equal(bytes.TrimSuffix(peer, []byte{'/'}), number)
}

// shortest is the shortest number of a carrier's customer: a phone's contact may begin
// with digits, too.
const shortest = 7

// Carrier is the name of the endpoint that the call was sent to by number; "" if it was
// not.
func (r *Record) Carrier() []byte {
	if _, name, ok := event.SplitChannel(r.OutChannel); ok && r.ByNumber() {
		return name
	}
	return nil
}

// Caller is the name of the endpoint that called; "" if it has none.
func (r *Record) Caller() []byte {
	_, name, _ := event.SplitChannel(r.Channel)
	return name
}

// Number is the number that Dial was asked to send to a carrier: what is before the @,
// or behind the carrier's name.
func Number(data []byte) []byte {
	to := Destination(data)
	if _, uri, ok := bytes.Cut(to, []byte("sip:")); ok {
		to = uri
	}
	if number, _, ok := bytes.Cut(to, []byte{'@'}); ok {
		return number
	}
	if slash := bytes.LastIndexByte(to, '/'); slash >= 0 {
		return to[slash+1:]
	}
	return to
}

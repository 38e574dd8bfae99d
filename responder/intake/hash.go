package intake

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/sip"
)

// The tables of this package place their entries by a seeded hash, so that nobody
// outside can choose what shares a place.

// mark is one place of a table: the hash of what it holds, and since when.
type mark struct {
	hash uint64
	at   uint32 // seconds since 1970
}

// younger says whether at, in seconds since 1970, is less than so many ago.
func younger(now time.Time, at uint32, seconds int64) bool { return now.Unix()-int64(at) < seconds }

func newHash(seed maphash.Seed) (h maphash.Hash) {
	h.SetSeed(seed)
	return h
}

// hashAddr adds an address, of which IPv4 and IPv4-mapped IPv6 are the same.
func hashAddr(h *maphash.Hash, a netip.Addr) {
	as16 := a.As16()
	h.Write(as16[:])
}

// hashTransaction adds what joins a response to its request.
func hashTransaction(h *maphash.Hash, t *sip.Transaction) {
	h.Write(t.CallID)
	var number [5]byte // with a byte that ends the Call-ID
	binary.BigEndian.PutUint32(number[1:], t.Number)
	h.Write(number[:])
	for _, c := range t.Method { // PJSIP answers in capitals, whatever the request has
		h.WriteByte(c &^ 0x20)
	}
}

package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// transaction is a batch of changes in netlink's own words (linux/netlink.h,
// linux/netfilter/nfnetlink.h and nf_tables.h). A ban's way into the kernel is
// what a thief races against: google/nftables allocates some dozens of buffers
// for it, and touching their fresh pages takes a daemon that slept longer than
// the kernel takes for the ban. So these few messages are written here, into
// memory that is used again. Everything else is the library's.
type transaction struct {
	buf   []byte
	reply [512]byte
}

const (
	// maxList bounds the elements of one message: the length of an attribute is
	// 16 bits.
	maxList = 60 << 10
	// keepBuffer is the most that is kept for the next transaction.
	keepBuffer = 64 << 10
	// flagsElement and openInterval mark an element that ends with the address
	// space (NFTNL_UDATA_SET_ELEM_FLAGS in libnftnl/udata.h), so that nft
	// lists it as one.
	flagsElement, openInterval = 1, 1
)

// encode writes the transaction for a batch on the sets of a table. What is
// dropped is added first: it may have run out meanwhile.
func (t *transaction) encode(table string, b *batch, now time.Time) {
	t.buf = t.buf[:0]
	t.close(t.open(unix.NFNL_MSG_BATCH_BEGIN, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES))
	for i := range b {
		id, c := setID(i), &b[i]
		t.elements(unix.NFT_MSG_NEWSETELEM, table, id, c.drop, nil)
		t.elements(unix.NFT_MSG_DELSETELEM, table, id, c.drop, nil)
		t.elements(unix.NFT_MSG_NEWSETELEM, table, id, c.add, &now)
	}
	t.close(t.open(unix.NFNL_MSG_BATCH_END, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES))
}

// letGo gives up a buffer that a large transaction has made large.
func (t *transaction) letGo() {
	if cap(t.buf) > keepBuffer {
		t.buf = nil
	}
}

// elements writes as many messages as the intervals need. Without now they get no
// timeouts, as in elementsOf.
func (t *transaction) elements(kind uint16, table string, id setID, intervals []interval, now *time.Time) {
	for len(intervals) > 0 {
		message := t.open(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NFPROTO_INET, 0)
		t.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
		t.text(unix.NFTA_SET_ELEM_LIST_SET, sets[id].name)
		list := t.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for len(intervals) > 0 && len(t.buf)-list < maxList {
			t.interval(&sets[id], intervals[0], now)
			intervals = intervals[1:]
		}
		t.end(list)
		t.close(message)
	}
}

// interval writes one key, or the start and the end of a interval, in this order: see
// elementsOf.
func (t *transaction) interval(s *set, x interval, now *time.Time) {
	end := x.last.Next()
	element := t.nest(unix.NFTA_LIST_ELEM)
	t.key(x.first)
	if now != nil && x.until != forever {
		at := t.attribute(unix.NFTA_SET_ELEM_TIMEOUT)
		t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(timeout(x.until, *now).Milliseconds()))
		t.end(at)
	}
	if s.interval && !end.IsValid() {
		at := t.attribute(unix.NFTA_SET_ELEM_USERDATA)
		t.buf = append(t.buf, flagsElement, 4)
		t.buf = binary.NativeEndian.AppendUint32(t.buf, openInterval)
		t.end(at)
	}
	t.end(element)
	if !s.interval || !end.IsValid() {
		return
	}
	element = t.nest(unix.NFTA_LIST_ELEM)
	at := t.attribute(unix.NFTA_SET_ELEM_FLAGS)
	t.buf = binary.BigEndian.AppendUint32(t.buf, unix.NFT_SET_ELEM_INTERVAL_END)
	t.end(at)
	t.key(end)
	t.end(element)
}

func (t *transaction) key(a netip.Addr) {
	key := t.nest(unix.NFTA_SET_ELEM_KEY)
	value := t.attribute(unix.NFTA_DATA_VALUE)
	if a.Is4() {
		b := a.As4()
		t.buf = append(t.buf, b[:]...)
	} else {
		b := a.As16()
		t.buf = append(t.buf, b[:]...)
	}
	t.end(value)
	t.end(key)
}

func (t *transaction) text(kind uint16, s string) {
	at := t.attribute(kind)
	t.buf = append(append(t.buf, s...), 0)
	t.end(at)
}

// nest begins an attribute of attributes.
func (t *transaction) nest(kind uint16) (at int) { return t.attribute(kind | unix.NLA_F_NESTED) }

// attribute begins an attribute: its length, which end fills in, and its kind.
func (t *transaction) attribute(kind uint16) (at int) {
	at = len(t.buf)
	t.buf = append(t.buf, 0, 0)
	t.buf = binary.NativeEndian.AppendUint16(t.buf, kind)
	return at
}

func (t *transaction) end(at int) {
	binary.NativeEndian.PutUint16(t.buf[at:], uint16(len(t.buf)-at))
	for len(t.buf)%unix.NLA_ALIGNTO != 0 {
		t.buf = append(t.buf, 0)
	}
}

// open begins a message: struct nlmsghdr, whose length close fills in, and
// struct nfgenmsg.
func (t *transaction) open(kind uint16, family byte, resource uint16) (at int) {
	at = len(t.buf)
	t.buf = append(t.buf, 0, 0, 0, 0)
	t.buf = binary.NativeEndian.AppendUint16(t.buf, kind)
	t.buf = binary.NativeEndian.AppendUint16(t.buf, unix.NLM_F_REQUEST|unix.NLM_F_CREATE)
	t.buf = append(t.buf, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port: nobody asks for an answer
	t.buf = append(t.buf, family, unix.NFNETLINK_V0)
	t.buf = binary.BigEndian.AppendUint16(t.buf, resource)
	return at
}

func (t *transaction) close(at int) {
	binary.NativeEndian.PutUint32(t.buf[at:], uint32(len(t.buf)-at))
}

// commit has the kernel carry the transaction out, by a netlink socket that
// does not wait. When the write returns the kernel is through with it, and what
// it has to say, which is nothing when all is well, is there to be read
// (nfnetlink_rcv_batch in net/netfilter/nfnetlink.c).
func (t *transaction) commit(fd int) error {
	if _, err := unix.Write(fd, t.buf); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	var refused error
	for {
		n, err := unix.Read(fd, t.reply[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return refused
		case err != nil:
			return errors.Join(refused, fmt.Errorf("read the kernel's answer: %w", err))
		case refused == nil:
			refused = answer(t.reply[:n])
		}
	}
}

// answer is the error that an answer of the kernel brings: struct nlmsgerr behind the header.
func answer(b []byte) error {
	if len(b) < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); code < 0 {
		return unix.Errno(-code)
	}
	return nil
}

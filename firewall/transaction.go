package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// transaction encodes a batch as netlink messages (linux/netlink.h,
// linux/netfilter/nfnetlink.h and nf_tables.h). An attacker races against the
// time a ban takes to reach the kernel. google/nftables allocates dozens of
// buffers for it, and touching their fresh pages takes a daemon that was idle
// longer than the kernel needs for the ban. These few messages are therefore
// encoded here, into a buffer that is reused; everything else is left to the
// library.
type transaction struct {
	buf   []byte
	reply [512]byte
}

const (
	// maxList limits the bytes of elements in one message: an attribute's length
	// has 16 bits.
	maxList = 60 << 10
	// keepBuffer is the largest buffer that is kept for the next transaction.
	keepBuffer = 64 << 10
	// flagsElement and openInterval mark an interval that extends to the last
	// address (NFTNL_UDATA_SET_ELEM_FLAGS in libnftnl/udata.h), so that nft
	// lists it as one.
	flagsElement, openInterval = 1, 1
)

// encode writes the messages for a batch on the sets of a table. Elements to be
// dropped are added first, since they may have run out meanwhile.
func (t *transaction) encode(table string, b *batch, now time.Time) {
	t.buf = t.buf[:0]
	t.close(t.open(unix.NFNL_MSG_BATCH_BEGIN, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES))
	for i := range b {
		id, e := setID(i), &b[i]
		if e.flush {
			t.flush(table, id)
		}
		t.elements(unix.NFT_MSG_NEWSETELEM, table, id, e.drop, nil)
		t.elements(unix.NFT_MSG_DELSETELEM, table, id, e.drop, nil)
		t.elements(unix.NFT_MSG_NEWSETELEM, table, id, e.add, &now)
	}
	t.close(t.open(unix.NFNL_MSG_BATCH_END, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES))
}

// flush deletes all elements of a set.
func (t *transaction) flush(table string, id setID) {
	message := t.open(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELSETELEM, unix.NFPROTO_INET, 0)
	t.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
	t.text(unix.NFTA_SET_ELEM_LIST_SET, sets[id].name)
	t.close(message)
}

// shrink releases the buffer after a large transaction.
func (t *transaction) shrink() {
	if cap(t.buf) > keepBuffer {
		t.buf = nil
	}
}

// elements writes as many messages as the intervals need. Without now they have
// no timeouts: an element that is added only to be deleted must not run out in
// between, and an existing one keeps its own.
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

// interval writes one key, or the start and the end of an interval. The start comes
// first: if it meets one that has run out, the kernel collects that one with its
// end, which must not be the new end. An interval up to the last address has no
// end.
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

// nest begins an attribute that consists of attributes.
func (t *transaction) nest(kind uint16) (at int) { return t.attribute(kind | unix.NLA_F_NESTED) }

// attribute begins an attribute: its length, filled in by end, and its kind.
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

// open begins a message: struct nlmsghdr, whose length is filled in by close,
// and struct nfgenmsg.
func (t *transaction) open(kind uint16, family byte, resource uint16) (at int) {
	at = len(t.buf)
	t.buf = append(t.buf, 0, 0, 0, 0)
	t.buf = binary.NativeEndian.AppendUint16(t.buf, kind)
	t.buf = binary.NativeEndian.AppendUint16(t.buf, unix.NLM_F_REQUEST|unix.NLM_F_CREATE)
	t.buf = append(t.buf, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port: no acknowledgement is requested
	t.buf = append(t.buf, family, unix.NFNETLINK_V0)
	t.buf = binary.BigEndian.AppendUint16(t.buf, resource)
	return at
}

func (t *transaction) close(at int) {
	binary.NativeEndian.PutUint32(t.buf[at:], uint32(len(t.buf)-at))
}

// commit sends the transaction over a non-blocking netlink socket. When the
// write returns, the kernel has finished and its errors, if any, are there to be
// read (nfnetlink_rcv_batch in net/netfilter/nfnetlink.c).
func (t *transaction) commit(fd int) error {
	if _, err := unix.Write(fd, t.buf); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	var failed error
	for {
		n, err := unix.Read(fd, t.reply[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return failed
		case err != nil:
			return errors.Join(failed, fmt.Errorf("read the kernel's reply: %w", err))
		case failed == nil:
			failed = replyError(t.reply[:n])
		}
	}
}

// replyError returns the error in one of the kernel's messages: struct nlmsgerr behind
// the header.
func replyError(b []byte) error {
	if len(b) < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); code < 0 {
		return unix.Errno(-code)
	}
	return nil
}

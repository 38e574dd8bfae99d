package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables/binaryutil"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// reader reads sets, elements and counters from the kernel over a connection of
// its own. google/nftables does not return a set's element count and takes 2 s or
// more to list 100,000 elements: it reads 4 KiB at a time, and the kernel starts
// its walk of the set again for each read. With a buffer of 32 KiB, the most that
// the kernel fills (netlink_dump in af_netlink.c), it takes a tenth of that.
type reader struct {
	conn *netlink.Conn
	buf  []byte
}

const readSize = 64 << 10

// setCountAttr is NFTA_SET_COUNT, since Linux 6.15 (uapi/linux/netfilter/nf_tables.h).
const setCountAttr = 20

// setExprAttr is NFTA_SET_EXPR, since Linux 5.7.
const setExprAttr = 17

// errInterrupted is returned when the ruleset changed while it was being listed.
var errInterrupted = errors.New("listing interrupted by a change of the ruleset")

func newReader(netns int) (*reader, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netns})
	if err != nil {
		return nil, err
	}
	return &reader{conn: conn, buf: make([]byte, readSize)}, nil
}

func (r *reader) close() error { return r.conn.Close() }

// setInfo describes one set.
type setInfo struct {
	name         string
	flags, key   uint32
	keyLen, size uint32
	timeout      uint64 // default for elements
	counted      bool   // elements have counters
	elements     int    // -1 if the kernel does not say
}

// sets lists the sets of a table.
func (r *reader) sets(table string) (out []setInfo, err error) {
	err = r.ask(unix.NFT_MSG_GETSET, []netlink.Attribute{
		{Type: unix.NFTA_SET_TABLE, Data: zero(table)},
	}, func(ad *netlink.AttributeDecoder) error {
		out = append(out, decodeSet(ad))
		return nil
	})
	return out, err
}

func decodeSet(ad *netlink.AttributeDecoder) setInfo {
	info := setInfo{elements: -1}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_NAME:
			info.name = ad.String()
		case unix.NFTA_SET_FLAGS:
			info.flags = ad.Uint32()
		case unix.NFTA_SET_KEY_TYPE:
			info.key = ad.Uint32()
		case unix.NFTA_SET_KEY_LEN:
			info.keyLen = ad.Uint32()
		case unix.NFTA_SET_TIMEOUT:
			info.timeout = ad.Uint64()
		case unix.NFTA_SET_DESC:
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					if ad.Type() == unix.NFTA_SET_DESC_SIZE {
						info.size = ad.Uint32()
					}
				}
				return nil
			})
		case setExprAttr:
			info.counted = true
		case setCountAttr:
			info.elements = int(ad.Uint32())
		}
	}
	return info
}

// counters lists the named counters of a table.
func (r *reader) counters(table string) (map[string]Count, error) {
	out := map[string]Count{}
	err := r.ask(unix.NFT_MSG_GETOBJ, []netlink.Attribute{
		{Type: unix.NFTA_OBJ_TABLE, Data: zero(table)},
		{Type: unix.NFTA_OBJ_TYPE, Data: binaryutil.BigEndian.PutUint32(unix.NFT_OBJECT_COUNTER)},
	}, func(ad *netlink.AttributeDecoder) error {
		name, count := decodeCounter(ad)
		out[name] = count
		return nil
	})
	return out, err
}

func decodeCounter(ad *netlink.AttributeDecoder) (name string, c Count) {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_OBJ_NAME:
			name = ad.String()
		case unix.NFTA_OBJ_DATA:
			ad.Nested(c.decode)
		}
	}
	return name, c
}

func (c *Count) decode(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_COUNTER_BYTES:
			c.Bytes = ad.Uint64()
		case unix.NFTA_COUNTER_PACKETS:
			c.Packets = ad.Uint64()
		}
	}
	return nil
}

// element is one element as the kernel lists it.
type element struct {
	key   netip.Addr
	port  uint16 // in a set of flows
	end   bool   // the first address after an interval
	until expiry

	counted bool
	packets uint64 // that matched; 0 unless counted
}

// elements lists a set. The kernel takes 0.2 s for a hash set of 100,000, but time
// grows with the square of the size: check the element count first.
func (r *reader) elements(table, set string) (out []element, err error) {
	for range 3 {
		out = out[:0]
		err = r.ask(unix.NFT_MSG_GETSETELEM, []netlink.Attribute{
			{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: zero(table)},
			{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: zero(set)},
		}, func(ad *netlink.AttributeDecoder) error {
			return decodeElements(ad, func(e element) { out = append(out, e) })
		})
		if !errors.Is(err, errInterrupted) {
			return out, err
		}
	}
	return out, err
}

// get calls each for the elements with these keys and skips missing ones. In an
// interval set the key is the first address of an interval.
func (r *reader) get(table, set string, keys []netip.Addr, each func(element)) error {
	for len(keys) > 0 {
		some := keys[:min(len(keys), maxQuery)]
		var list []netlink.Attribute
		for _, key := range some {
			list = append(list, netlink.Attribute{
				Type: unix.NFTA_LIST_ELEM | unix.NLA_F_NESTED,
				Data: nested(unix.NFTA_SET_ELEM_KEY, attribute(unix.NFTA_DATA_VALUE, key.AsSlice())),
			})
		}
		data, err := netlink.MarshalAttributes(list)
		if err != nil {
			return err
		}
		answered := 0
		err = r.send(unix.NFT_MSG_GETSETELEM, netlink.Request, []netlink.Attribute{
			{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: zero(table)},
			{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: zero(set)},
			{Type: unix.NFTA_SET_ELEM_LIST_ELEMENTS | unix.NLA_F_NESTED, Data: data},
		}, func(ad *netlink.AttributeDecoder) error {
			return decodeElements(ad, func(e element) { answered++; each(e) })
		})
		switch {
		case err == nil:
			keys = keys[len(some):]
		case errors.Is(err, unix.ENOENT):
			// The kernel answers in the order of the keys, up to the first missing one.
			keys = keys[min(answered+1, len(some)):]
		default:
			return err
		}
	}
	return nil
}

func decodeElements(ad *netlink.AttributeDecoder, each func(element)) error {
	now := expiryOf(time.Now()) // the message has remaining times
	for ad.Next() {
		if ad.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				e := element{until: forever}
				ad.Nested(func(ad *netlink.AttributeDecoder) error { return e.decode(ad, now) })
				if e.key.IsValid() {
					each(e)
				}
			}
			return ad.Err()
		})
	}
	return ad.Err()
}

func (e *element) decode(ad *netlink.AttributeDecoder, now expiry) error {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					e.decodeKey(ad.Bytes())
				}
				return nil
			})
		case unix.NFTA_SET_ELEM_FLAGS:
			e.end = ad.Uint32()&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_EXPIRATION:
			e.until = now + expiry(time.Duration(ad.Uint64())*time.Millisecond)
		case unix.NFTA_SET_ELEM_EXPR:
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					if ad.Type() == unix.NFTA_EXPR_DATA {
						var c Count
						ad.Nested(c.decode)
						e.counted, e.packets = true, c.Packets
					}
				}
				return nil
			})
		}
	}
	return nil
}

// decodeKey reads an address, or one with a port, padded to registers.
func (e *element) decodeKey(key []byte) {
	if n := len(key) - 4; n == 4 || n == 16 {
		key, e.port = key[:n], binary.BigEndian.Uint16(key[n:])
	}
	e.key, _ = netip.AddrFromSlice(key)
}

// pair turns the elements of an interval set into sorted intervals. It skips ends
// whose intervals have run out.
func pair(elements []element) []interval {
	slices.SortFunc(elements, func(a, b element) int {
		if c := a.key.Compare(b.key); c != 0 {
			return c
		}
		if a.end == b.end {
			return 0
		}
		if a.end {
			return -1
		}
		return 1
	})
	var out []interval
	open := false
	for _, e := range elements {
		if open {
			out[len(out)-1].last = e.key.Prev()
			open = false
		}
		if !e.end {
			last := lastOf(netip.PrefixFrom(e.key, 0))
			out = append(out, interval{e.key, last, e.until})
			open = true
		}
	}
	return out
}

// ask sends a dump request and reads the whole reply.
func (r *reader) ask(typ uint16, attrs []netlink.Attribute, each func(*netlink.AttributeDecoder) error) error {
	return r.send(typ, netlink.Request|netlink.Dump, attrs, each)
}

// send sends one request and calls each with the attributes of every message of
// the reply. There must be only one request at a time.
func (r *reader) send(typ uint16, flags netlink.HeaderFlags, attrs []netlink.Attribute, each func(*netlink.AttributeDecoder) error) error {
	data, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		return err
	}
	if flags&netlink.Dump == 0 {
		flags |= netlink.Acknowledge // so that there is always an end to the reply
	}
	req, err := r.conn.Send(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | typ), Flags: flags},
		Data:   append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if err != nil {
		return err
	}
	var failed error
	for {
		n, err := r.receive()
		if err != nil {
			return err
		}
		done, err := answers(r.buf[:n], req.Header.Sequence, each)
		if failed == nil {
			failed = err
		}
		if done {
			return failed
		}
	}
}

// receive reads one datagram.
func (r *reader) receive() (n int, err error) {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	waitErr := raw.Read(func(fd uintptr) bool {
		n, _, err = unix.Recvfrom(int(fd), r.buf, unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
	return n, errors.Join(waitErr, err)
}

// answers reads the messages of one datagram up to the end of the reply to
// request seq. It skips replies to an older request that was given up.
func answers(b []byte, seq uint32, each func(*netlink.AttributeDecoder) error) (done bool, failed error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		typ := binary.NativeEndian.Uint16(b[4:])
		flags := binary.NativeEndian.Uint16(b[6:])
		mine := binary.NativeEndian.Uint32(b[8:]) == seq
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return true, fmt.Errorf("netlink message of %d bytes in %d", size, len(b))
		}
		body := b[unix.NLMSG_HDRLEN:size]
		b = b[min(len(b), (size+3)&^3):]
		if !mine {
			continue
		}
		if flags&unix.NLM_F_DUMP_INTR != 0 {
			failed = errInterrupted
		}
		switch {
		case typ == unix.NLMSG_ERROR || typ == unix.NLMSG_DONE:
			if len(body) >= 4 {
				if errno := int32(binary.NativeEndian.Uint32(body)); errno != 0 {
					failed = unix.Errno(-errno)
				}
			}
			return true, failed
		case len(body) >= 4 && failed == nil:
			ad, err := netlink.NewAttributeDecoder(body[4:])
			if err != nil {
				failed = err
				continue
			}
			ad.ByteOrder = binary.BigEndian
			if err := each(ad); err != nil {
				failed = err
			} else if err := ad.Err(); err != nil {
				failed = err
			}
		}
	}
	return false, failed
}

func zero(s string) []byte { return append([]byte(s), 0) }

func attribute(typ uint16, data []byte) []byte {
	b, _ := netlink.MarshalAttributes([]netlink.Attribute{{Type: typ, Data: data}}) // fails for oversized data only
	return b
}

func nested(typ uint16, data []byte) []byte { return attribute(typ|unix.NLA_F_NESTED, data) }

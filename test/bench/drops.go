package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// drops hears what the kernel announces of the rulesets of one site: each
// address that is dropped from now on, and when it said so, which is within the
// same system call that acknowledges it to the one who asked.
type drops struct {
	fd   int
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex
	added   int       // elements announced in all
	last    time.Time // when the last one was
	wanted  netip.Addr
	arrived chan time.Time // when wanted was

	awake atomic.Bool // hear does not sleep, and takes a processor for it
}

const (
	newSetElement = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM
	nestedFlag    = 0x8000 // NLA_F_NESTED
)

// hearDrops begins to listen; do runs a function in the namespace meant.
func hearDrops(do func(func() error) error) (*drops, error) {
	d := &drops{quit: make(chan struct{}), done: make(chan struct{}), arrived: make(chan time.Time, 1)}
	err := do(func() (err error) {
		if d.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER); err != nil {
			return err
		}
		timeout := unix.Timeval{Usec: 100_000} // so that the end is noticed
		return errors.Join(
			unix.Bind(d.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
			unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<30-1),
			unix.SetsockoptInt(d.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES),
			unix.SetsockoptTimeval(d.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
	})
	if err != nil {
		return nil, fmt.Errorf("listen to the kernel's announcements: %w", err)
	}
	go d.hear()
	return d, nil
}

func (d *drops) close() {
	close(d.quit)
	<-d.done
	_ = unix.Close(d.fd)
}

// hear reads announcements on a thread of its own, which the kernel wakes
// without Go's scheduler in between. It does not sleep when
// it has to be awake, so that its own waking is not counted.
func (d *drops) hear() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(d.done)
	buf := make([]byte, 1<<20)
	for {
		flags := 0
		if d.awake.Load() {
			flags = unix.MSG_DONTWAIT
		}
		n, _, err := unix.Recvfrom(d.fd, buf, flags)
		at := time.Now()
		select {
		case <-d.quit:
			return
		default:
		}
		if err == nil {
			d.take(at, buf[:n])
		}
	}
}

// take looks through the messages of one datagram.
func (d *drops) take(at time.Time, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return
		}
		const generic = 4 // struct nfgenmsg
		if binary.NativeEndian.Uint16(b[4:]) == newSetElement && size > unix.NLMSG_HDRLEN+generic {
			elements(b[unix.NLMSG_HDRLEN+generic:size], func(key []byte) { d.add(at, key) })
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}

func (d *drops) add(at time.Time, key []byte) {
	d.added++
	d.last = at
	if a, ok := netip.AddrFromSlice(key); ok && a == d.wanted {
		d.wanted = netip.Addr{}
		d.arrived <- at
	}
}

// elements finds the keys in NFTA_SET_ELEM_LIST_ELEMENTS, but for those of
// our sets that drop nothing.
func elements(b []byte, fn func(key []byte)) {
	drops := true
	attributes(b, func(kind uint16, list []byte) {
		if kind == unix.NFTA_SET_ELEM_LIST_SET {
			drops = !bytes.Contains(list, []byte("allow"))
		}
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS || !drops {
			return
		}
		attributes(list, func(_ uint16, element []byte) {
			attributes(element, func(kind uint16, data []byte) {
				if kind != unix.NFTA_SET_ELEM_KEY {
					return
				}
				attributes(data, func(kind uint16, value []byte) {
					if kind == unix.NFTA_DATA_VALUE {
						fn(value)
					}
				})
			})
		})
	})
}

// attributes walks netlink attributes.
func attributes(b []byte, fn func(kind uint16, value []byte)) {
	for len(b) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.NLA_HDRLEN || size > len(b) {
			return
		}
		fn(binary.NativeEndian.Uint16(b[2:])&^nestedFlag, b[unix.NLA_HDRLEN:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}

// expect makes the next drop of an address the one that await waits for.
func (d *drops) expect(a netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = a
	select {
	case <-d.arrived:
	default:
	}
}

// await is when the expected address was dropped.
func (d *drops) await(ctx context.Context, patience time.Duration) (time.Time, error) {
	select {
	case at := <-d.arrived:
		return at, nil
	case <-time.After(patience):
		return time.Time{}, fmt.Errorf("not dropped within %s", patience)
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}

// reset counts from here.
func (d *drops) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.added = 0
}

// awaitMany is when the n-th drop since reset was announced.
func (d *drops) awaitMany(ctx context.Context, n int, patience time.Duration) (time.Time, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		added, last := d.added, d.last
		d.mu.Unlock()
		if added >= n {
			return last, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return last, fmt.Errorf("%d of %d drops within %s", added, n, patience)
		}
	}
}

package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// LogGroup is the NFLOG group that packets are copied to. If another program
// reads it, OpenWatch returns ErrNoLog.
const LogGroup = 0x7457

// ErrNoLog is returned when the kernel or another program keeps us from reading
// packets. Everything else works.
var ErrNoLog = errors.New("packets cannot be watched")

// logBuffer holds some 20,000 messages of the usual size: a second of the most that
// Asterisk answers.
const logBuffer = 16 << 20

// Messages and attributes of the log (linux/netfilter/nfnetlink_log.h).
const (
	logPacket, logConfig                       = 0, 1    // NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG
	logAttrCommand, logAttrMode, logAttrBuffer = 1, 2, 3 // NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_NLBUFSIZ
	logAttrHeader, logAttrPayload              = 1, 9    // NFULA_PACKET_HDR, NFULA_PAYLOAD
	logBind, logCopyPacket                     = 1, 2    // NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET
)

// listen binds to the log group.
func (w *Watch) listen(group uint16) error {
	log, err := packetSocket(w.netns, "NFLOG", logBuffer)
	if err != nil {
		return err
	}
	if err := configure(log, unix.NFNL_SUBSYS_ULOG<<8|logConfig, group, []netlink.Attribute{
		{Type: logAttrCommand, Data: []byte{logBind}},
		{Type: logAttrMode, Data: append(binary.BigEndian.AppendUint32(nil, wholePacket), logCopyPacket, 0)},
		// No message waits for a second one: each gets a buffer that just fits.
		{Type: logAttrBuffer, Data: binary.BigEndian.AppendUint32(nil, 1)},
	}); err != nil {
		err = errors.Join(err, log.Close())
		if errors.Is(err, unix.EPERM) { // nfulnl_recv_config returns it for both
			return fmt.Errorf("another program reads NFLOG group %d, or CAP_NET_ADMIN is missing: %w", group, err)
		}
		return fmt.Errorf("NFLOG (CONFIG_NETFILTER_NETLINK_LOG): %w", err)
	}
	w.log = log
	return nil
}

const (
	// pace is the least time from one look at the log to the next in a flood: a
	// wake-up costs as much as reading dozens of packets.
	pace = 2 * time.Millisecond
	// A flood is more than calm packets in paceWindow.
	calm       = 40
	paceWindow = 20 * time.Millisecond
)

// Run calls fn for each packet until ctx ends: at once up to 2,000 a second, and within
// about two milliseconds in a flood. After an error it delivers no more, and some before
// the error may have been missed.
func (w *Watch) Run(ctx context.Context, fn func(Packet)) error {
	if w.log == nil {
		<-ctx.Done()
		return nil
	}
	deliver := func(p Packet) {
		w.count(p)
		fn(p)
	}
	err := follow(ctx, w.log, paced(make([]byte, nfRead), deliver))
	if err == nil || ctx.Err() != nil {
		return nil
	}
	deliver(Packet{At: time.Now()})
	return fmt.Errorf("firewall: NFLOG: %w", err)
}

// paced reads what is in the log; in a flood, at most once per pace.
func paced(buf []byte, fn func(Packet)) func(fd int) error {
	var begun time.Time // of the window
	var before, in int  // packets in the window before, and in this one
	return func(fd int) error {
		now := time.Now()
		if age := now.Sub(begun); age >= paceWindow {
			before = in
			if age >= 2*paceWindow {
				before = 0
			}
			begun, in = now, 0
		}
		err := drain(fd, buf, func(b []byte) {
			readLogged(b, time.Now(), func(p Packet) { in++; fn(p) })
		}, func() { fn(Packet{At: time.Now()}) })
		if err != nil {
			return err
		}
		if before > calm || in > calm {
			rest(pace - time.Since(now))
		}
		return nil
	}
}

// rest is more exact than time.Sleep, which rounds to milliseconds if the program
// has nothing else to do.
func rest(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&t, nil)
	}
}

// readLogged calls fn for each packet in what was read from the log at once.
func readLogged(b []byte, now time.Time, fn func(Packet)) {
	eachMessage(b, unix.NFNL_SUBSYS_ULOG<<8|logPacket, func(attrs []byte) {
		header, packet := packetParts(attrs, logAttrHeader, logAttrPayload)
		if len(header) < 3 { // struct nfulnl_msg_packet_hdr
			return
		}
		if p, ok := readPacket(header[2], packet); ok {
			p.At = now
			fn(p)
		}
	})
}

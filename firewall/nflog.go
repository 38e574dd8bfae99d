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

// pace is the least time from one look at the log to the next while packets keep
// coming: a wake-up costs as much as reading dozens of them.
const pace = 2 * time.Millisecond

// Run calls fn for each packet until ctx ends: at once for a single one and the
// answer to it, within about two milliseconds while packets keep coming. After an
// error it delivers no more, and some before the error may have been missed.
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

// paced reads what is in the log, not more often than pace.
func paced(buf []byte, fn func(Packet)) func(fd int) error {
	var last time.Time
	return func(fd int) error {
		began := time.Now()
		err := drain(fd, buf, func(b []byte) { readLogged(b, time.Now(), fn) }, func() { fn(Packet{At: time.Now()}) })
		if err != nil {
			return err
		}
		if began.Sub(last) < 2*pace {
			rest(pace - time.Since(began))
		}
		last = began
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

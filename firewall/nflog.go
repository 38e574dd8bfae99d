package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// LogGroup is the NFLOG group that packets are copied to. If another program
// reads it, OpenWatch returns ErrNoLog.
const LogGroup = 0x7457

// ErrNoLog is returned when the kernel or another program keeps us from reading
// packets. Everything else works.
var ErrNoLog = errors.New("packets cannot be watched")

const (
	// wholePacket is how much of a packet is copied: padding by an attacker must
	// not push the end of a message out of it.
	wholePacket = 0xffff
	// logBuffer holds some 13,000 challenges: more than Asterisk sends in a second.
	logBuffer = 8 << 20
)

// Messages and attributes of the log (linux/netfilter/nfnetlink_log.h).
const (
	logPacket, logConfig                        = 0, 1    // NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG
	logAttrCommand, logAttrMode, logAttrPayload = 1, 2, 9 // NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_PAYLOAD
	logBind, logCopyPacket                      = 1, 2    // NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET
)

// payloadBegins matches what follows the 8 bytes of a UDP header.
func payloadBegins(prefix string) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 8, Len: uint32(len(prefix))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte(prefix)},
	}
}

// maxPrefix is the size of an nftables register.
const maxPrefix = 16

// copyToLog copies a packet to the log at once, since an answer may follow soon.
var copyToLog = &expr.Log{
	Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_QTHRESHOLD,
	Group: LogGroup, QThreshold: 1,
}

// listen binds to the log group.
func (w *Watch) listen(group uint16) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: w.netns})
	if err != nil {
		return err
	}
	mode := binary.BigEndian.AppendUint32(nil, wholePacket)
	mode = append(mode, logCopyPacket, 0)
	for _, attrs := range [][]netlink.Attribute{
		{{Type: logAttrCommand, Data: []byte{logBind}}},
		{{Type: logAttrMode, Data: mode}},
	} {
		data, err := netlink.MarshalAttributes(attrs)
		if err == nil {
			_, err = conn.Execute(netlink.Message{
				Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | logConfig, Flags: netlink.Request | netlink.Acknowledge},
				Data:   append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(group >> 8), byte(group)}, data...),
			})
		}
		if err != nil {
			err = errors.Join(err, conn.Close())
			if errors.Is(err, unix.EPERM) { // nfulnl_recv_config returns it for both
				return fmt.Errorf("another program reads NFLOG group %d, or CAP_NET_ADMIN is missing: %w", group, err)
			}
			return fmt.Errorf("NFLOG (CONFIG_NETFILTER_NETLINK_LOG): %w", err)
		}
	}
	_ = conn.SetReadBuffer(logBuffer)
	w.log = conn
	return nil
}

// Run calls fn for each packet until ctx ends. After an error it delivers no
// more, and some before the error may have been missed.
func (w *Watch) Run(ctx context.Context, fn func(Packet)) error {
	if w.log == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.log.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		messages, err := w.log.Receive()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, unix.ENOBUFS) {
			fn(Packet{At: time.Now()})
			continue
		}
		if err != nil {
			fn(Packet{At: time.Now()})
			return fmt.Errorf("firewall: NFLOG: %w", err)
		}
		now := time.Now()
		for _, m := range messages {
			if uint16(m.Header.Type) == unix.NFNL_SUBSYS_ULOG<<8|logPacket {
				readLogged(now, m.Data, fn)
			}
		}
	}
}

// readLogged calls fn for the packet in one message of the log.
func readLogged(now time.Time, data []byte, fn func(Packet)) {
	if len(data) < 4 {
		return
	}
	ad, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return
	}
	for ad.Next() {
		if ad.Type() != logAttrPayload {
			continue
		}
		if to, payload, ok := readUDP(ad.Bytes()); ok {
			fn(Packet{to, payload, now})
		}
	}
}

package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// QueueNumber is the NFQUEUE that packets of suspects wait in. If another program
// reads it, suspects are not throttled.
const QueueNumber = 0x7457

// ErrNoQueue says that the kernel or another program keeps us from deciding about
// single packets. Everything else works.
var ErrNoQueue = errors.New("single packets cannot be held back")

const (
	// queueLength is how many packets wait for a decision. The kernel accepts more
	// (NFQA_CFG_F_FAIL_OPEN): a daemon that stalls delays few.
	queueLength = 128
	// queueBuffer has room for all of them, at their largest.
	queueBuffer = 16 << 20
)

// Messages and attributes of the queue (linux/netfilter/nfnetlink_queue.h).
const (
	queuePacket, queueVerdict, queueConfig                                          = 0, 1, 2              // NFQNL_MSG_*
	queueAttrCommand, queueAttrParams, queueAttrLength, queueAttrMask, queueAttrSet = 1, 2, 3, 4, 5        // NFQA_CFG_CMD, _PARAMS, _QUEUE_MAXLEN, _MASK, _FLAGS
	queueAttrHeader, queueAttrVerdict, queueAttrPayload                             = 1, 2, 10             // NFQA_PACKET_HDR, NFQA_VERDICT_HDR, NFQA_PAYLOAD
	queueBind, queueCopyPacket, queueFailOpen                                       = 1, 2, uint32(1)      // NFQNL_CFG_CMD_BIND, NFQNL_COPY_PACKET, NFQA_CFG_F_FAIL_OPEN
	verdictDrop, verdictAccept                                                      = uint32(0), uint32(1) // NF_DROP, NF_ACCEPT
)

// queueExprs are the ways to queue a packet, which accept it while nobody reads the
// queue: nft_queue, and the target of iptables (xt_NFQUEUE, struct xt_NFQ_info_v3)
// for kernels without it.
var queueExprs = [...]expr.Any{
	&expr.Queue{Num: QueueNumber, Flag: expr.QueueFlagBypass},
	&expr.Target{Name: "NFQUEUE", Rev: 3, Info: targetInfo(QueueNumber, 1, 1)}, // one queue, NFQ_FLAG_BYPASS
}

// targetInfo is padded as the kernel aligns it (XT_ALIGN).
func targetInfo(number, total, flags uint16) *xt.Unknown {
	b := binary.NativeEndian.AppendUint16(nil, number)
	b = binary.NativeEndian.AppendUint16(b, total)
	b = binary.NativeEndian.AppendUint16(b, flags)
	info := xt.Unknown(append(b, 0, 0))
	return &info
}

// openQueue binds to the queue, and finds out how the kernel queues packets.
func (w *Watch) openQueue(number uint16) error {
	queue, err := packetSocket(w.netns, "NFQUEUE", queueBuffer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoQueue, explain(err))
	}
	if err := configure(queue, unix.NFNL_SUBSYS_QUEUE<<8|queueConfig, number, []netlink.Attribute{
		{Type: queueAttrCommand, Data: []byte{queueBind, 0, 0, 0}},
		{Type: queueAttrParams, Data: append(binary.BigEndian.AppendUint32(nil, wholePacket), queueCopyPacket)},
		{Type: queueAttrLength, Data: binary.BigEndian.AppendUint32(nil, queueLength)},
		{Type: queueAttrSet, Data: binary.BigEndian.AppendUint32(nil, queueFailOpen)},
		{Type: queueAttrMask, Data: binary.BigEndian.AppendUint32(nil, queueFailOpen)},
	}); err != nil {
		err = errors.Join(err, queue.Close())
		if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w: another program reads NFQUEUE %d, or CAP_NET_ADMIN is missing: %w", ErrNoQueue, number, err)
		}
		return fmt.Errorf("%w: NFQUEUE (CONFIG_NETFILTER_NETLINK_QUEUE): %w", ErrNoQueue, err)
	}
	for _, e := range queueExprs {
		if err = w.accepts(e); err == nil {
			w.waiting, w.toQueue = queue, e
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%w: the kernel refuses the rules (nft_queue, xt_NFQUEUE): %w", ErrNoQueue, explain(err)), queue.Close())
}

// accepts says whether the kernel takes a rule with this expression, in a table that
// is deleted in the same batch.
func (w *Watch) accepts(e expr.Any) error {
	t := checkTable(w.name)
	w.writer.CreateTable(t)
	for _, c := range newWatchChains(t).queueing() {
		addRule(w.writer, w.writer.AddChain(c), []expr.Any{e})
	}
	w.writer.DelTable(t)
	return w.writer.Flush()
}

// Throttles returns why suspects are not throttled, or nil.
func (w *Watch) Throttles() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queueErr
}

// Decide calls fn for each packet of a suspect, or to one, until ctx ends. The packet
// waits meanwhile; fn says whether it passes, and must not wait for anything itself.
// After an error all packets pass, and Throttles returns it.
func (w *Watch) Decide(ctx context.Context, fn func(Packet) (pass bool)) error {
	if w.waiting == nil {
		<-ctx.Done()
		return nil
	}
	buf, answer := make([]byte, nfRead), make([]byte, 0, 64)
	err := follow(ctx, w.waiting, func(fd int) error {
		var failed error
		err := drain(fd, buf, func(b []byte) {
			readQueued(b, time.Now(), fn, func(id, verdict uint32) {
				answer = appendVerdict(answer[:0], id, verdict)
				if err := unix.Sendto(fd, answer, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil && !errors.Is(err, unix.ENOENT) {
					failed = err
				}
			})
		}, func() {}) // what did not fit was accepted
		return errors.Join(err, failed)
	})
	if err == nil || ctx.Err() != nil {
		return nil
	}
	err = fmt.Errorf("%w: NFQUEUE: %w", ErrNoQueue, errors.Join(err, w.waiting.Close())) // the rules accept what nobody reads
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queueErr, w.toQueue = err, nil
	clear(w.suspects) // from now on, those that are suspected are dropped, which these are not to be
	clear(w.live)
	if buildErr := w.build(); buildErr != nil {
		return fmt.Errorf("%w; %w", err, explain(buildErr))
	}
	return err
}

// readQueued calls decide for each packet in what was read from the queue at once.
func readQueued(b []byte, now time.Time, fn func(Packet) (pass bool), decide func(id, verdict uint32)) {
	eachMessage(b, unix.NFNL_SUBSYS_QUEUE<<8|queuePacket, func(attrs []byte) {
		header, packet := packetParts(attrs, queueAttrHeader, queueAttrPayload)
		if len(header) < 7 { // struct nfqnl_msg_packet_hdr
			return
		}
		verdict := verdictAccept
		if p, ok := readPacket(header[6], packet); ok {
			if p.At = now; !fn(p) {
				verdict = verdictDrop
			}
		}
		decide(binary.BigEndian.Uint32(header), verdict)
	})
}

// appendVerdict appends the message that decides about one packet: struct nlmsghdr,
// struct nfgenmsg, and struct nfqnl_msg_verdict_hdr.
func appendVerdict(b []byte, id, verdict uint32) []byte {
	const size = unix.NLMSG_HDRLEN + nfHeader + unix.NLA_HDRLEN + 8
	b = binary.NativeEndian.AppendUint32(b, size)
	b = binary.NativeEndian.AppendUint16(b, unix.NFNL_SUBSYS_QUEUE<<8|queueVerdict)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // sequence, port
	b = append(b, unix.AF_UNSPEC, unix.NFNETLINK_V0, QueueNumber>>8, QueueNumber&0xff)
	b = binary.NativeEndian.AppendUint16(b, unix.NLA_HDRLEN+8)
	b = binary.NativeEndian.AppendUint16(b, queueAttrVerdict)
	b = binary.BigEndian.AppendUint32(b, verdict)
	return binary.BigEndian.AppendUint32(b, id)
}

// closeFile closes one of the sockets, if it is open.
func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

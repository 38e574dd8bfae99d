package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Media of a phone (RFC 3551): 20 ms of silence a packet, and keys as events of RFC 4733.
const (
	rtpPort    = 40000
	rtpPace    = 20 * time.Millisecond
	rtpSamples = 160 // in one packet
	ulaw       = 0
	keyEvents  = 101
	keyPackets = 6 // that a key is held for: longer than Asterisk's shortest key, 80 ms
	keyGap     = 4 // packets of silence after it: longer than Asterisk's shortest pause, 45 ms
)

// Press presses keys of the phone during a call, with silence between them and after them, and
// returns when the last was sent.
func (c *Call) Press(ctx context.Context, h *Host, keys string) error {
	if !c.media.IsValid() {
		return fmt.Errorf("press %s: the PBX named no port for sound", keys)
	}
	conn, err := h.ListenUDP(netip.AddrPortFrom(c.phone.Source().Addr(), rtpPort))
	if err != nil {
		return fmt.Errorf("press %s: %w", keys, err)
	}
	defer conn.Close()
	s := sound{conn: conn, to: c.media, tick: time.NewTicker(rtpPace)}
	defer s.tick.Stop()
	for _, key := range keys {
		code := strings.IndexRune("0123456789*#", key)
		if code < 0 {
			return fmt.Errorf("press %s: no such key: %q", keys, key)
		}
		if err := s.press(ctx, byte(code)); err != nil {
			return fmt.Errorf("press %s: %w", keys, err)
		}
	}
	return nil
}

// sound is what a phone sends while its keys are pressed.
type sound struct {
	conn   *net.UDPConn
	to     netip.AddrPort
	tick   *time.Ticker
	number uint16
	stamp  uint32
}

// press holds a key for a moment, and is silent for another.
func (s *sound) press(ctx context.Context, code byte) error {
	began := s.stamp
	for n := 1; n <= keyPackets; n++ {
		key := []byte{code, 10, 0, 0} // the volume
		binary.BigEndian.PutUint16(key[2:], uint16(n*rtpSamples))
		if n == keyPackets {
			key[1] |= 0x80 // its end, three times in case one is lost
			s.packet(keyEvents, n == 1, began, key)
			s.packet(keyEvents, false, began, key)
		}
		s.packet(keyEvents, n == 1, began, key)
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	for range keyGap {
		s.packet(ulaw, false, s.stamp, []byte(strings.Repeat("\xff", rtpSamples)))
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *sound) wait(ctx context.Context) error {
	s.stamp += rtpSamples
	select {
	case <-s.tick.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// packet sends one packet of RTP (RFC 3550 section 5.1).
func (s *sound) packet(kind byte, first bool, stamp uint32, payload []byte) {
	if first {
		kind |= 0x80
	}
	s.number++
	b := binary.BigEndian.AppendUint16([]byte{0x80, kind}, s.number)
	b = binary.BigEndian.AppendUint32(b, stamp)
	b = append(binary.BigEndian.AppendUint32(b, 1), payload...)
	_, _ = s.conn.WriteToUDPAddrPort(b, s.to) // lost like any packet
}

// mediaOf reads where a description of a session (RFC 8866) wants the sound sent. It is the
// zero AddrPort if it does not say.
func mediaOf(sdp string) netip.AddrPort {
	var at netip.Addr
	var port uint16
	for line := range strings.SplitSeq(sdp, "\r\n") {
		if f := strings.Fields(line); len(f) == 3 && strings.HasPrefix(line, "c=IN ") {
			at, _ = netip.ParseAddr(f[2])
		}
		_, _ = fmt.Sscanf(line, "m=audio %d ", &port)
	}
	if !at.IsValid() || port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(at, port)
}

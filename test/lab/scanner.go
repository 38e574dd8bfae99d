package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Scanner looks for accounts with bare UDP packets: one REGISTER without a login for each name.
// Unlike sipvicious' svwar it never gives up because of what the PBX answers. Fill in the fields
// and call Run.
type Scanner struct {
	Host  *Host
	Names []string
	Rate  int // names per second
}

// Scan is how scanning went, as the scanner saw it.
type Scan struct {
	Sent   int
	Status map[int]int // how many final answers there were of each status code
}

// Run tries every name once, or until the context ends, which is no error.
func (s Scanner) Run(ctx context.Context) (Scan, error) {
	if s.Rate <= 0 {
		return Scan{}, errors.New("scan: the rate must be positive")
	}
	conn, err := s.Host.ListenUDP(netip.AddrPortFrom(s.Host.Source(), 0))
	if err != nil {
		return Scan{}, fmt.Errorf("scan: %w", err)
	}
	defer conn.Close()
	answers := make(chan map[int]int, 1)
	go func() { answers <- statusCodes(conn) }()

	sent, err := s.send(ctx, conn)
	if err != nil {
		err = fmt.Errorf("scan: %w", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return Scan{Sent: sent, Status: <-answers}, err
}

// send sends the requests and says how many went out.
func (s Scanner) send(ctx context.Context, conn *net.UDPConn) (sent int, err error) {
	pbx, at := pbxAt(s.Host.Source()), localAddr(conn.LocalAddr())
	tick := time.NewTicker(time.Second / time.Duration(s.Rate))
	defer tick.Stop()
	for _, name := range s.Names {
		select {
		case <-ctx.Done():
			return sent, nil
		case <-tick.C:
		}
		if _, err := conn.WriteToUDPAddrPort(probeOf(name, at, pbx), pbx); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// probeOf is the REGISTER that asks whether there is an account of the name.
func probeOf(name string, at, pbx netip.AddrPort) []byte {
	id, host := token(), uriHost(pbx.Addr())
	address := fmt.Sprintf("<sip:%s@%s>", name, host)
	return request("REGISTER", "sip:"+host,
		header{"Via", fmt.Sprintf("SIP/2.0/UDP %s:%d;rport;branch=z9hG4bK%s", uriHost(at.Addr()), at.Port(), id)},
		header{"Max-Forwards", "70"},
		header{"From", address + ";tag=" + id},
		header{"To", address},
		header{"Call-ID", id},
		header{"CSeq", "1 REGISTER"},
		header{"Contact", fmt.Sprintf("<sip:%s@%s:%d>", name, uriHost(at.Addr()), at.Port())},
		header{"Expires", "60"}).bytes()
}

// statusCodes counts the final responses that arrive until the connection's read deadline.
func statusCodes(conn *net.UDPConn) map[int]int {
	codes, buf := make(map[int]int), make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return codes
		}
		if err != nil {
			continue
		}
		if m, err := parseMessage(buf[:n]); err == nil && !m.isRequest() {
			if code, _ := m.status(); code >= 200 {
				codes[code]++
			}
		}
	}
}

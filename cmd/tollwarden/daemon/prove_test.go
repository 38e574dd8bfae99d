package daemon

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A guess goes to the first socket that answers with SIP, and has no password.
func TestGuessAnywhere(t *testing.T) {
	serve := func(response string) netip.AddrPort {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		go func() {
			request := make([]byte, 2048)
			for {
				n, from, err := conn.ReadFrom(request)
				if err != nil {
					return
				}
				if text := string(request[:n]); !strings.HasPrefix(text, "REGISTER sip:") || strings.Contains(text, "Authorization") || !strings.Contains(text, "<sip:made-up@") {
					t.Errorf("a guess is %q", text)
				}
				_, _ = conn.WriteTo([]byte(response), from)
			}
		}()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := closed.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = closed.Close()
	other, asterisk := serve("hello"), serve("SIP/2.0 401 Unauthorized\r\n\r\n")
	from, to, answer, err := guessAnywhere(t.Context(), []netip.AddrPort{refused, other, asterisk}, "made-up")
	if err != nil || to != asterisk || answer != 401 || from.String() != "127.0.0.1" {
		t.Errorf("%s, %s, %d, %v", from, to, answer, err)
	}
	if _, to, _, err := guessAnywhere(t.Context(), []netip.AddrPort{refused, other}, "made-up"); err == nil || to.IsValid() {
		t.Errorf("nobody answered: %s, %v", to, err)
	}
	if _, _, _, err := guessAnywhere(t.Context(), nil, "made-up"); err == nil {
		t.Error("there is no socket")
	}
}

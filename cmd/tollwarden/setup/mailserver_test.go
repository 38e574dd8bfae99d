package setup

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// A mail server is left with QUIT; what does not greet is none the less one that listens.
func TestLeavesMailServerPolitely(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			heard <- err.Error()
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("220 mail.example.org ESMTP\r\n"))
		var all strings.Builder
		for in := bufio.NewScanner(conn); in.Scan(); {
			all.WriteString(in.Text() + "\n")
			answer := "250 mail.example.org\r\n"
			if in.Text() == "QUIT" {
				answer = "221 bye\r\n"
			}
			if _, err := conn.Write([]byte(answer)); err != nil || in.Text() == "QUIT" {
				break
			}
		}
		heard <- all.String()
	}()
	if !takesMail(listener.Addr().String()) {
		t.Error("the server is not found")
	}
	if got := <-heard; !strings.HasSuffix(got, "QUIT\n") {
		t.Errorf("the server heard %q", got)
	}
	listener.Close()
	if takesMail(listener.Addr().String()) {
		t.Error("a server that is gone is found")
	}
}

package ami

import "syscall"

// receiveBuffer is the size of the receive buffer in bytes. It absorbs bursts of events:
// Asterisk closes a connection that blocks it for 100 ms (writetimeout in manager.conf).
const receiveBuffer = 4 << 20

// enlarge sets a large receive buffer. It must run before the socket connects, because
// the TCP window scale is negotiated then. A buffer beyond the kernel's rmem_max requires
// CAP_NET_ADMIN, which the daemon has for its firewall. A smaller buffer is not an error.
func enlarge(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) {
		if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
		}
	})
}

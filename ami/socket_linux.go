package ami

import "syscall"

// receiveBuffer is in bytes. Asterisk gives up on a reader that lets it wait for
// 100 ms (writetimeout in manager.conf), so a burst of events finds room here.
const receiveBuffer = 4 << 20

// enlarge gives a socket a large receive buffer before it connects, for the
// window is agreed on then. Beyond the kernel's rmem_max it takes CAP_NET_ADMIN,
// which the daemon has for its firewall. A small buffer is no error.
func enlarge(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) {
		if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
		}
	})
}

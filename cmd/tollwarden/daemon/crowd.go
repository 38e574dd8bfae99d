package daemon

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// crowdEvery is how often at most the kernel's list of connections is read.
	crowdEvery = 10 * time.Second
	// maxCrowd is how many users and addresses are named.
	maxCrowd = 3
)

// crowd says who is connected to Asterisk's manager port, as far as this machine's
// kernel knows.
type crowd struct {
	port uint16

	mu    sync.Mutex
	at    time.Time // when words was found
	words string
}

func newCrowd(address string) *crowd {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.ParseUint(port, 10, 16) // the configuration was checked
	return &crowd{port: uint16(n)}
}

// text lists who is connected, those with most connections first; "" if nobody is seen, as
// when Asterisk runs elsewhere.
func (c *crowd) text(now time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.at) < crowdEvery {
		return c.words
	}
	var table []connection
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if data, err := os.ReadFile(name); err == nil {
			table = append(table, parseConnections(data)...)
		}
	}
	c.at, c.words = now, crowdWords(table, c.port, ownSockets(), userName)
	return c.words
}

// crowdText says what a full manager port means and what to do about it. who is
// connected; "" if that is not known.
func crowdText(who string) string {
	if who == "" {
		return "the manager port is full, because too many connections to it have not logged in: look for them where Asterisk runs, with `ss -tnp`. " +
			"(A proxy in front of an Asterisk that is down looks the same.)"
	}
	return "the manager port is full, because too many connections to it have not logged in. Connected are " + who +
		". End these, let manager.conf bind to 127.0.0.1 or permit only addresses you know, and raise authlimit; until then, a restarted daemon needs up to a minute to get a session"
}

// connection is one TCP connection of this machine, seen from one of its ends.
type connection struct {
	local, remote netip.AddrPort
	uid           string
	inode         string
}

// established is the state in /proc/net/tcp (include/net/tcp_states.h).
const established = "01"

// parseConnections reads the established connections in the text of /proc/net/tcp or
// tcp6.
func parseConnections(text []byte) (list []connection) {
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) < 10 || fields[3] != established {
			continue
		}
		local, ok := parseEnd(fields[1])
		remote, rok := parseEnd(fields[2])
		if ok && rok {
			list = append(list, connection{local, remote, fields[7], fields[9]})
		}
	}
	return list
}

// parseEnd reads an address and port as the kernel writes them: each 32 bits of the
// address in the machine's own order, which is little-endian wherever Tollwarden runs.
func parseEnd(text string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	raw, herr := hex.DecodeString(address)
	if err != nil || herr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}

// crowdWords says who is connected to a port: the users of this machine, and other
// machines by their address.
func crowdWords(table []connection, port uint16, own map[string]bool, name func(uid string) string) string {
	by, local := map[string]int{}, map[netip.AddrPort]bool{}
	for _, c := range table {
		if c.remote.Port() != port {
			continue
		}
		local[c.local] = true
		if !own[c.inode] {
			by["by "+name(c.uid)]++
		}
	}
	for _, c := range table {
		if c.local.Port() == port && !local[c.remote] {
			by["from "+c.remote.Addr().String()]++
		}
	}
	type group struct {
		who string
		n   int
	}
	var groups []group
	for who, n := range by {
		groups = append(groups, group{who, n})
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Or(b.n-a.n, strings.Compare(a.who, b.who)) })
	var words []string
	for i, g := range groups {
		if i == maxCrowd {
			words = append(words, fmt.Sprintf("%d more", len(groups)-maxCrowd))
			break
		}
		words = append(words, incident.Count(g.n, "connection")+" "+g.who)
	}
	return strings.Join(words, ", ")
}

// userName is a user of this machine in words.
func userName(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return "user " + u.Username
	}
	return "uid " + uid
}

// ownSockets are the inodes of this process's sockets.
func ownSockets() map[string]bool {
	own := map[string]bool{}
	files, _ := filepath.Glob("/proc/self/fd/*")
	for _, f := range files {
		target, _ := os.Readlink(f)
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return own
}

package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// trafficEnv makes this test binary a traffic generator: the requests per second, the
// responses per second, and the seconds. Another process sends, so that the CPU
// time of this one is the reader's.
const trafficEnv = "TOLLWARDEN_TRAFFIC"

func TestMain(m *testing.M) {
	if spec := os.Getenv(trafficEnv); spec != "" {
		if err := sendTraffic(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// stampAt is where a message says when it was sent.
const stampAt = len("SIP/2.0 401 ")

// stamped is a SIP message of the usual size with its time of sending.
func stamped(begin string) []byte {
	return fmt.Appendf(nil, "%-*s%019d\r\n%s", stampAt, begin, 0, strings.Repeat("Via: SIP/2.0/UDP 198.51.100.7;rport\r\n", 16))
}

func stamp(message []byte) {
	copy(message[stampAt:], fmt.Sprintf("%019d", time.Now().UnixNano()))
}

// sendTraffic sends from forged addresses over descriptor 3, a raw socket on the
// street, and to them over descriptor 4, the PBX's SIP socket. It prints how many
// packets it sent.
func sendTraffic(spec string) error {
	var requests, responses, seconds int
	if _, err := fmt.Sscan(spec, &requests, &responses, &seconds); err != nil {
		return err
	}
	request, response := stamped("REGISTER"), stamped("SIP/2.0 401")
	packet := append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 198, 51, 100, 0}, pbx4.AsSlice()...)
	packet = binary.BigEndian.AppendUint32(packet, 5061<<16|5060)
	packet = append(binary.BigEndian.AppendUint16(packet, uint16(8+len(request))), 0, 0)
	const payload = 28
	packet = append(packet, request...)
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	const tick = time.Millisecond
	began, in, out := time.Now(), 0, 0
	for i := range seconds * int(time.Second/tick) {
		rest(time.Until(began.Add(time.Duration(i) * tick)))
		for range requests / int(time.Second/tick) {
			packet[15]++
			stamp(packet[payload:])
			if unix.Sendto(3, packet, 0, &unix.SockaddrInet4{Addr: pbx4.As4()}) == nil {
				in++
			}
		}
		for range responses / int(time.Second/tick) {
			packet[15]++
			stamp(response)
			to := netip.AddrFrom4([4]byte(packet[12:16])).As16()
			if to = netip.AddrFrom16(to).As16(); unix.Sendto(4, response, 0, &unix.SockaddrInet6{Addr: to, Port: 5061}) == nil {
				out++
			}
		}
	}
	fmt.Println(in, out)
	return nil
}

// watched is what a Watch did with some traffic.
type watched struct {
	sent      int
	seen      WatchCounts
	cpu, took time.Duration
	delays    []time.Duration // from sending to delivery, in order
}

func (w watched) missed() int { return w.sent - int(w.seen.In+w.seen.Out) }

// load is the CPU time per second.
func (w watched) load() time.Duration {
	return time.Duration(float64(w.cpu) / w.took.Seconds())
}

func (w watched) delay(quantile float64) time.Duration {
	if len(w.delays) == 0 {
		return 0
	}
	return w.delays[int(quantile*float64(len(w.delays)-1))]
}

// watchTraffic runs a Watch while another process sends.
func watchTraffic(t testing.TB, requests, responses, seconds int) (r watched) {
	t.Helper()
	l := newLab(t)
	routeBack(t, l)
	w, err := OpenWatch(Config{NetNS: l.pbx})
	if errors.Is(err, ErrNoLog) {
		t.Skipf("needs NFLOG in the kernel: %v", err)
	}
	must(t, err)
	defer func() { must(t, w.Close()) }()
	delays := make([]time.Duration, 0, (requests+responses)*seconds)
	var last atomic.Int64 // when a packet was delivered
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := w.Run(ctx, func(p Packet) {
			now := time.Now().UnixNano()
			last.Store(now)
			if sent := number64(p.Payload); sent > 0 && len(delays) < cap(delays) {
				delays = append(delays, time.Duration(now-sent))
			}
		}); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	began, before := time.Now(), cpuTime(t)
	r.sent = traffic(t, l, fmt.Sprint(requests, " ", responses, " ", seconds))
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && time.Since(time.Unix(0, last.Load())) < 100*time.Millisecond; {
		time.Sleep(10 * time.Millisecond)
	}
	r.cpu, r.took = cpuTime(t)-before, time.Since(began)
	cancel()
	run.Wait()
	slices.Sort(delays)
	r.seen, r.delays = w.Counts(), delays
	return r
}

// number64 reads the time in a message without allocating.
func number64(payload []byte) (n int64) {
	if len(payload) < stampAt+19 {
		return 0
	}
	for _, c := range payload[stampAt : stampAt+19] {
		n = 10*n + int64(c-'0')
	}
	return n
}

// traffic runs the generator and returns how many packets it sent.
func traffic(t testing.TB, l *lab, spec string) int {
	t.Helper()
	sip, err := l.in.File()
	must(t, err)
	defer func() {
		// To pass a file on makes it block, for every descriptor of it.
		must(t, withFD(sip, func(fd int) error { return unix.SetNonblock(fd, true) }))
		must(t, sip.Close())
	}()
	fd, err := unix.FcntlInt(uintptr(l.raw4), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	raw := os.NewFile(uintptr(fd), "raw")
	defer raw.Close()
	generator := exec.Command(os.Args[0])
	generator.Env = append(os.Environ(), trafficEnv+"="+spec)
	generator.ExtraFiles = []*os.File{raw, sip}
	generator.Stderr = os.Stderr
	said, err := generator.Output()
	must(t, err)
	total := 0
	for word := range strings.FieldsSeq(string(said)) {
		n, err := strconv.Atoi(word)
		must(t, err)
		total += n
	}
	return total
}

// routeBack sends what is for forged addresses to the street, so that none of it
// waits for neighbour discovery.
func routeBack(t testing.TB, l *lab) {
	t.Helper()
	h, err := netlink.NewHandleAt(netns.NsHandle(l.pbx), unix.NETLINK_ROUTE)
	must(t, err)
	_, forged, err := net.ParseCIDR("198.51.100.0/24")
	must(t, err)
	route := &netlink.Route{Dst: forged, Gw: net.ParseIP("192.0.2.2")}
	must(t, h.RouteAdd(route))
	t.Cleanup(func() {
		must(t, h.RouteDel(route))
		h.Close()
	})
}

// cpuTime is what this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var r unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkWatch is the reader with so many requests and responses per second: the CPU
// time for a second of it, and from sending to delivery.
func BenchmarkWatch(b *testing.B) {
	for _, perSecond := range [][2]int{{0, 0}, {0, 1_000}, {1_000, 1_000}, {0, 10_000}, {10_000, 10_000}} {
		b.Run(fmt.Sprint("in=", perSecond[0], ",out=", perSecond[1]), func(b *testing.B) {
			var r watched
			for range b.N {
				r = watchTraffic(b, perSecond[0], perSecond[1], 5)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(r.load())/1e6, "cpu-ms/s")
			b.ReportMetric(float64(r.missed()), "missed")
			b.ReportMetric(float64(r.delay(0.5))/1e3, "p50-µs")
			b.ReportMetric(float64(r.delay(0.99))/1e3, "p99-µs")
		})
	}
}

// 10,000 responses per second cost the reader less than a tenth of a core and with as
// many requests less than two, with a fivefold margin for slow and busy machines, and
// none is missed in silence.
func TestWatchIsCheap(t *testing.T) {
	r := watchTraffic(t, 10_000, 10_000, 2)
	t.Logf("%d packets: %v of CPU time per second, %d missed, %d overflows, delivered within %v (median) and %v (99 of 100)",
		r.sent, r.load(), r.missed(), r.seen.Overflows, r.delay(0.5), r.delay(0.99))
	if r.sent < 30_000 {
		t.Errorf("only %d packets were sent", r.sent)
	}
	if r.missed() != 0 && r.seen.Overflows == 0 {
		t.Errorf("%d packets are missing without a report", r.missed())
	}
	if r.load() > time.Second {
		t.Errorf("%v of CPU time per second", r.load())
	}
}

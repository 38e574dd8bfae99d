package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the PBX is found.
const (
	PBXAddress  = "192.0.2.1"
	PBXAddress6 = "2001:db8::1"
)

// Loopback is any free port that only programs at the same host reach.
var Loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// onLink are the ranges every host of the lab reaches without a router (RFC 5737, RFC 3849, and
// the many networks of RFC 2544).
var onLink = []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"}

// network is the switch of a lab and the hosts at it. Every one of them is a network namespace
// named after the lab.
type network struct {
	prefix string // of the namespaces' names
	hosts  []*Host
}

// newNetwork makes the switch.
func newNetwork(id string) (*network, error) {
	n := &network{prefix: namespacePrefix(id)}
	if err := ip("", "netns add "+n.name(switchName)); err != nil {
		return nil, err
	}
	return n, ip(n.name(switchName), "link set lo up", "link add br0 type bridge", "link set br0 up")
}

const switchName = "switch"

func namespacePrefix(id string) string { return "tw-" + id + "-" }

// name is the namespace of the host called host.
func (n *network) name(host string) string { return n.prefix + host }

// attach makes a namespace with one interface, eth0, at the switch.
func (n *network) attach(host string) (*Host, error) {
	ns := n.name(host)
	if err := ip("", "netns add "+ns); err != nil {
		return nil, err
	}
	fd, err := unix.Open(filepath.Join(namespaceDir, ns), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", ns, err)
	}
	h := &Host{Name: host, Namespace: ns, fd: fd}
	n.hosts = append(n.hosts, h)
	if err := h.Do(tuneStack); err != nil {
		return nil, err
	}
	port := fmt.Sprintf("port%d", len(n.hosts))
	err = ip(n.name(switchName),
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", port, ns),
		fmt.Sprintf("link set %s master br0 up", port))
	if err != nil {
		return nil, err
	}
	commands := []string{"link set lo up", "link set eth0 up"}
	for _, r := range onLink {
		commands = append(commands, "route add "+r+" dev eth0")
	}
	return h, ip(ns, commands...)
}

// tuneStack sets the namespace it runs in so that an IPv6 address is usable at once, and so that
// a socket may send from any address of a network that is routed to the host.
func tuneStack() error {
	const conf = "/proc/sys/net/ipv6/"
	return errors.Join(
		os.WriteFile(conf+"conf/default/accept_dad", []byte("0"), 0o644),
		os.WriteFile(conf+"conf/all/accept_dad", []byte("0"), 0o644),
		os.WriteFile(conf+"ip_nonlocal_bind", []byte("1"), 0o644),
	)
}

// close takes every namespace of the lab away.
func (n *network) close() error {
	var errs []error
	for _, h := range n.hosts {
		errs = append(errs, unix.Close(h.fd))
	}
	return errors.Join(append(errs, removeNamespaces(n.prefix))...)
}

// namespaceDir is where ip-netns(8) keeps the names.
const namespaceDir = "/run/netns"

// namespaces lists those whose names begin with prefix.
func namespaces(prefix string) ([]string, error) {
	entries, err := os.ReadDir(namespaceDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// removeNamespaces ends every process that is still in a namespace whose name begins with
// prefix, and removes the namespaces.
func removeNamespaces(prefix string) error {
	names, err := namespaces(prefix)
	if err != nil {
		return err
	}
	var errs []error
	for _, ns := range names {
		errs = append(errs, endProcesses(ns), ip("", "netns del "+ns))
	}
	return errors.Join(errs...)
}

// ip runs commands of ip(8) in namespace ns, or outside when ns is empty, all in one process.
func ip(ns string, commands ...string) error {
	var args []string
	if ns != "" {
		args = []string{"-n", ns}
	}
	cmd := exec.Command("ip", append(args, "-batch", "-")...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(append(args, commands...), " "), err, bytes.TrimSpace(out))
	}
	return nil
}

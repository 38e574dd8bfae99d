package pbx

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/responder/binds"
)

// maxBinds bounds the ports that are read of one answer: more than can be closed,
// so that too many are noticed.
const maxBinds = 4 * binds.MaxPorts

// transportPorts reads the UDP ports of `pjsip show transports`:
//
//	Transport:  <TransportId........>  <Type>  <cos>  <tos>  <BindAddress....................>
//	Transport:  transport-udp             udp      0      0  0.0.0.0:5060
//
// It is printed by res_pjsip/config_transport.c cli_print_body. The name may contain
// spaces and be longer than its column. A transport that could not bind is not
// listed.
func transportPorts(lines []string) []uint16 {
	var out []uint16
	for _, line := range lines {
		fields := strings.Fields(line)
		n := len(fields)
		if n < 6 || fields[0] != "Transport:" || fields[n-4] != "udp" || !isNumber(fields[n-3]) || !isNumber(fields[n-2]) {
			continue
		}
		if at, err := netip.ParseAddrPort(fields[n-1]); err == nil && len(out) < maxBinds {
			out = append(out, at.Port())
		}
	}
	return normalPorts(out)
}

// settingsPorts reads the UDP port of `sip show settings`, which chan_sip.c
// sip_show_settings prints among many others:
//
//	UDP Bindaddress:        0.0.0.0:5160
//
// The first such line counts; values that an administrator chose come later.
func settingsPorts(lines []string) []uint16 {
	for _, line := range lines {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "UDP Bindaddress:"); found {
			at, err := netip.ParseAddrPort(strings.TrimSpace(value))
			if err != nil {
				return nil
			}
			return normalPorts([]uint16{at.Port()})
		}
	}
	return nil
}

// configuredTransports reads the UDP ports of the transports in a configuration file.
func configuredTransports(conf config) []uint16 {
	var out []uint16
	for _, c := range conf {
		if !c.is("transport") || len(out) >= maxBinds {
			continue
		}
		if protocol := c.last("protocol"); protocol == "" || strings.EqualFold(protocol, "udp") {
			if port, ok := portOf(c.last("bind"), defaultSIP); ok {
				out = append(out, port)
			}
		}
	}
	return normalPorts(out)
}

// configuredBinds reads the ports of the section [general]: those of the addresses,
// and bindport for those without one. If both name a port, both count, because
// which one wins differs between versions.
func configuredBinds(conf config, otherwise uint16, addresses ...string) []uint16 {
	var ports, at []string
	for _, c := range conf {
		if c.name != "general" || c.template {
			continue
		}
		ports = append(ports, c.values("bindport")...)
		for _, name := range addresses {
			at = append(at, c.values(name)...)
		}
	}
	var out []uint16
	if len(ports) > 0 { // the last one is in force
		if n, err := strconv.ParseUint(ports[len(ports)-1], 10, 16); err == nil && n > 0 {
			otherwise = uint16(n)
			out = append(out, otherwise)
		}
	}
	if len(at) == 0 {
		out = append(out, otherwise)
	}
	for _, address := range at[:min(len(at), maxBinds)] {
		if port, ok := portOf(address, otherwise); ok {
			out = append(out, port)
		}
	}
	return normalPorts(out)
}

// portOf reads the port of an address as Asterisk's files have it: 0.0.0.0:5060,
// [::]:5060, 0.0.0.0, ::, or with a name.
func portOf(address string, otherwise uint16) (port uint16, ok bool) {
	address = strings.TrimSpace(address)
	if address == "" {
		return 0, false
	}
	host, text, found := cutLast(address, ":")
	if !found || strings.Contains(host, ":") && !strings.HasSuffix(host, "]") {
		return otherwise, true // no port: an address or a name, or IPv6 without brackets
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, false
	}
	if n == 0 {
		return otherwise, true
	}
	return uint16(n), true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

package pbx

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/responder/binds"
)

// maxBinds bounds the ports that are read of one answer: more than can be closed,
// so that too many are noticed.
const maxBinds = 4 * binds.MaxPorts

// transportPorts reads the ports of `pjsip show transports`:
//
//	Transport:  <TransportId........>  <Type>  <cos>  <tos>  <BindAddress....................>
//	Transport:  transport-udp             udp      0      0  0.0.0.0:5060
//
// It is printed by res_pjsip/config_transport.c cli_print_body. The name may contain
// spaces and be longer than its column. A transport that could not bind is not
// listed. One for WebSocket has no port of its own: the HTTP server takes its
// connections.
func transportPorts(lines []string) listening {
	var out listening
	for _, line := range lines {
		fields := strings.Fields(line)
		n := len(fields)
		if n < 6 || fields[0] != "Transport:" || !isNumber(fields[n-3]) || !isNumber(fields[n-2]) {
			continue
		}
		if at, err := netip.ParseAddrPort(fields[n-1]); err == nil {
			out.add(fields[n-4], at.Port())
		}
	}
	return out.normal()
}

// add takes the port of a PJSIP transport.
func (l *listening) add(protocol string, port uint16) {
	switch strings.ToLower(protocol) {
	case "udp":
		l.udp = bounded(l.udp, port)
	case "tcp", "tls":
		l.tcp = bounded(l.tcp, port)
	}
}

func (l *listening) normal() listening { return listening{normalPorts(l.udp), normalPorts(l.tcp)} }

func bounded(ports []uint16, port uint16) []uint16 {
	if len(ports) >= maxBinds {
		return ports
	}
	return append(ports, port)
}

// shownPorts reads a port of `sip show settings`, which chan_sip.c sip_show_settings
// prints among many others:
//
//	UDP Bindaddress:        0.0.0.0:5160
//	TLS SIP Bindaddress:    Disabled
//
// The first such line counts; values that an administrator chose come later.
func shownPorts(lines []string, name string) []uint16 {
	for _, line := range lines {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name); found {
			at, err := netip.ParseAddrPort(strings.TrimSpace(value))
			if err != nil {
				return nil
			}
			return normalPorts([]uint16{at.Port()})
		}
	}
	return nil
}

// serverPorts reads the ports of `http show status` (main/http.c) and of `manager show
// settings` (main/manager.c):
//
//	HTTPS Server Enabled and Bound to 0.0.0.0:8089
//	  TCP Bindaddress:           127.0.0.1:5038
func serverPorts(lines []string, before string) []uint16 {
	var out []uint16
	for _, line := range lines {
		_, value, found := strings.Cut(line, before)
		if at, err := netip.ParseAddrPort(strings.TrimSpace(value)); found && err == nil {
			out = bounded(out, at.Port())
		}
	}
	return normalPorts(out)
}

// configuredTransports reads the ports of the transports in a configuration file.
func configuredTransports(conf config) listening {
	var out listening
	for _, c := range conf {
		if !c.is("transport") {
			continue
		}
		protocol, otherwise := c.last("protocol"), uint16(defaultSIP)
		if protocol == "" {
			protocol = "udp"
		}
		if strings.EqualFold(protocol, "tls") {
			otherwise = defaultSIPTLS
		}
		if port, ok := portOf(c.last("bind"), otherwise); ok {
			out.add(protocol, port)
		}
	}
	return out.normal()
}

// configuredServer reads the ports of a server that the section [general] enables.
func configuredServer(conf config, enable string, otherwise uint16, port string, addresses ...string) []uint16 {
	if !conffile.True(conf.general(enable)) {
		return nil
	}
	return generalPorts(conf, otherwise, port, addresses...)
}

// configuredBinds reads the ports of the section [general]: those of the addresses,
// and bindport for those without one.
func configuredBinds(conf config, otherwise uint16, addresses ...string) []uint16 {
	return generalPorts(conf, otherwise, "bindport", addresses...)
}

// generalPorts reads the ports of the section [general]: those of the addresses, and for
// those without one that of a variable. If both name a port, both count, because
// which one wins differs between versions.
func generalPorts(conf config, otherwise uint16, port string, addresses ...string) []uint16 {
	var ports, at []string
	for _, c := range conf {
		if c.name != "general" || c.template {
			continue
		}
		ports = append(ports, c.values(port)...)
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

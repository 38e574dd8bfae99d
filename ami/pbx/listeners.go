package pbx

import (
	"context"
	"fmt"
	"slices"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// StepPorts is the daemon's question for the ports that Asterisk listens on. It
// needs privileges like the steps of playbooks.
const StepPorts incident.StepKind = "ports"

// The ports of a bind without one (RFC 3261 section 18.1.1, RFC 5456 section 6.1,
// include/asterisk/manager.h, main/http.c).
const (
	defaultSIP    = 5060
	defaultSIPTLS = 5061
	defaultIAX2   = 4569
	defaultHTTP   = 8088
	defaultHTTPS  = 8089
	defaultAMI    = 5038
	defaultAMITLS = 5039
)

// listeners finds the ports that Asterisk listens on. It changes nothing.
type listeners struct{ asterisk asterisk }

// listening is the ports of one driver.
type listening struct{ udp, tcp []uint16 }

// Binds lists the UDP ports on which Asterisk takes SIP and IAX2, and the TCP ports of
// SIP, with TLS or not, of its HTTP server, which takes WebSocket, and of its manager
// interface. If the user may run CLI commands, the drivers say what they listen on;
// otherwise their configuration files do, as Asterisk reads them. IAX2 has no command
// that would show it. An error beside an answer says what it may lack.
func (l listeners) Binds(ctx context.Context) (binds.Answer, error) {
	may, err := l.permitted(ctx)
	if err != nil {
		return binds.Answer{}, err
	}
	a := binds.Answer{}
	if a.Started, err = l.started(ctx, may); err != nil {
		return a, err
	}
	var errs []error
	for _, d := range []struct {
		driver binds.Driver
		ask    func(context.Context, permitted) (listening, error)
	}{{binds.PJSIP, l.pjsip}, {binds.ChanSIP, l.chanSIP}, {binds.IAX2, l.iax2}, {binds.HTTP, l.http}, {binds.AMI, l.manager}} {
		ports, err := d.ask(ctx, may)
		if err != nil {
			errs = append(errs, fmt.Errorf("ports of %s: %w", d.driver.Words(), err))
		}
		for _, port := range ports.udp {
			a.Binds = append(a.Binds, binds.Bind{Port: port, Driver: d.driver})
		}
		for _, port := range ports.tcp {
			a.TCP = append(a.TCP, binds.Bind{Port: port, Driver: d.driver})
		}
	}
	return a, join(errs...)
}

// permitted says which actions the user may use. To use another one would be an
// error in Asterisk's security log each time.
type permitted func(action string) bool

func (l listeners) permitted(ctx context.Context) (permitted, error) {
	listed, err := goami.ListCommands(ctx, l.asterisk.session(), "")
	if err != nil {
		return nil, fmt.Errorf("list AMI commands: %w", err)
	}
	return func(action string) bool { return len(listed[action]) > 0 }, nil
}

// absent says that a driver is not loaded: its action is not there, while another one
// that needs the same privilege is.
func (may permitted) absent(action, likewise string) bool { return may(likewise) && !may(action) }

// started is when Asterisk was started, "" if the user may not know.
func (l listeners) started(ctx context.Context, may permitted) (string, error) {
	if !may("CoreStatus") {
		return "", nil
	}
	status, err := goami.CoreStatus(ctx, l.asterisk.session(), "")
	if err != nil {
		return "", fmt.Errorf("ask when Asterisk was started: %w", err)
	}
	if !once(status, "CoreStartupDate", "CoreStartupTime") {
		return "", nil
	}
	return status.Get("CoreStartupDate") + " " + status.Get("CoreStartupTime"), nil
}

// config is a file as Asterisk reads it.
func (l listeners) config(ctx context.Context, may permitted, file string) (config, error) {
	if !may("GetConfig") {
		return nil, &PermissionError{Action: "GetConfig", Classes: classesOf("GetConfig")}
	}
	return l.asterisk.getConfig(ctx, file)
}

func (l listeners) pjsip(ctx context.Context, may permitted) (listening, error) {
	if may.absent("PJSIPShowEndpoint", "ModuleCheck") {
		return listening{}, nil
	}
	if may("Command") {
		shown, err := l.cli(ctx, "pjsip show transports")
		return transportPorts(shown), err
	}
	conf, err := l.config(ctx, may, "sorcery.conf")
	if err != nil {
		return listening{}, err
	}
	stored := readSorcery(conf)
	if stored.transportFamily != "" {
		err = fmt.Errorf("transports are in a database, which only CLI commands show: %w", &PermissionError{Action: "Command", Classes: classesOf("Command")})
	}
	var out listening
	for _, file := range stored.transportFiles {
		conf, cerr := l.config(ctx, may, file)
		found := configuredTransports(conf)
		out.udp, out.tcp, err = append(out.udp, found.udp...), append(out.tcp, found.tcp...), join(err, cerr)
	}
	return out, err
}

func (l listeners) chanSIP(ctx context.Context, may permitted) (listening, error) {
	if may.absent("SIPshowpeer", "CoreStatus") {
		return listening{}, nil
	}
	if may("Command") {
		shown, err := l.cli(ctx, "sip show settings")
		return listening{
			udp: shownPorts(shown, "UDP Bindaddress:"),
			tcp: normalPorts(append(shownPorts(shown, "TCP SIP Bindaddress:"), shownPorts(shown, "TLS SIP Bindaddress:")...)),
		}, err
	}
	conf, err := l.config(ctx, may, "sip.conf")
	if err != nil || len(conf) == 0 {
		return listening{}, err
	}
	return listening{
		udp: configuredBinds(conf, defaultSIP, "bindaddr", "udpbindaddr"),
		tcp: normalPorts(append(
			configuredServer(conf, "tcpenable", defaultSIP, "bindport", "bindaddr", "tcpbindaddr"),
			configuredServer(conf, "tlsenable", defaultSIPTLS, "tlsbindport", "tlsbindaddr")...)),
	}, nil
}

func (l listeners) iax2(ctx context.Context, may permitted) (listening, error) {
	if may.absent("IAXpeers", "CoreStatus") {
		return listening{}, nil
	}
	conf, err := l.config(ctx, may, "iax.conf")
	if err != nil || len(conf) == 0 {
		return listening{}, err // without the file the module does not load
	}
	return listening{udp: configuredBinds(conf, defaultIAX2, "bindaddr")}, nil
}

func (l listeners) http(ctx context.Context, may permitted) (listening, error) {
	return l.server(ctx, may, "http show status", "http.conf", "Bound to", func(conf config) []uint16 {
		return append(
			configuredServer(conf, "enabled", defaultHTTP, "bindport", "bindaddr"),
			configuredServer(conf, "tlsenable", defaultHTTPS, "tlsbindport", "tlsbindaddr")...)
	})
}

func (l listeners) manager(ctx context.Context, may permitted) (listening, error) {
	return l.server(ctx, may, "manager show settings", "manager.conf", "Bindaddress:", func(conf config) []uint16 {
		return append(
			configuredServer(conf, "enabled", defaultAMI, "port", "bindaddr"),
			configuredServer(conf, "tlsenable", defaultAMITLS, "tlsbindport", "tlsbindaddr")...)
	})
}

// server finds the ports of one of Asterisk's own TCP servers: from the lines of a CLI
// command in which this text comes before an address, or from a file.
func (l listeners) server(ctx context.Context, may permitted, line, file, before string, configured func(config) []uint16) (listening, error) {
	if may("Command") {
		shown, err := l.cli(ctx, line)
		return listening{tcp: serverPorts(shown, before)}, err
	}
	conf, err := l.config(ctx, may, file)
	return listening{tcp: normalPorts(configured(conf))}, err
}

// cli is the output of a CLI command, empty if its module is not loaded: Asterisk
// then reports an error whose only text is "No such command".
func (l listeners) cli(ctx context.Context, line string) ([]string, error) {
	shown, err := l.asterisk.command(ctx, line)
	if answered(err, "Command output follows") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run %q: %w", line, err)
	}
	return shown, nil
}

// normalPorts are ports in order, each once, without 0.
func normalPorts(ports []uint16) []uint16 {
	slices.Sort(ports)
	return slices.DeleteFunc(slices.Compact(ports), func(p uint16) bool { return p == 0 })
}

package pbx

import (
	"context"
	"fmt"
	"slices"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// StepPorts is the daemon's question for the UDP ports that Asterisk listens on. It
// needs privileges like the steps of playbooks.
const StepPorts incident.StepKind = "ports"

// The ports of a bind without one (RFC 3261 section 18.1.1, RFC 5456 section 6.1).
const (
	defaultSIP  = 5060
	defaultIAX2 = 4569
)

// listeners finds the UDP ports that Asterisk listens on. It changes nothing.
type listeners struct{ asterisk asterisk }

// Binds lists the UDP ports on which Asterisk takes SIP and IAX2. If the user may
// run CLI commands, the SIP drivers say what they listen on; otherwise their
// configuration files do, as Asterisk reads them. IAX2 has no command that would
// show it. An error beside an answer says what it may lack.
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
		ask    func(context.Context, permitted) ([]uint16, error)
	}{{binds.PJSIP, l.pjsip}, {binds.ChanSIP, l.chanSIP}, {binds.IAX2, l.iax2}} {
		ports, err := d.ask(ctx, may)
		if err != nil {
			errs = append(errs, fmt.Errorf("UDP ports of %s: %w", d.driver.Words(), err))
		}
		for _, port := range ports {
			a.Binds = append(a.Binds, binds.Bind{Port: port, Driver: d.driver})
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

func (l listeners) pjsip(ctx context.Context, may permitted) ([]uint16, error) {
	if may.absent("PJSIPShowEndpoint", "ModuleCheck") {
		return nil, nil
	}
	if may("Command") {
		shown, err := l.cli(ctx, "pjsip show transports")
		return transportPorts(shown), err
	}
	conf, err := l.config(ctx, may, "sorcery.conf")
	if err != nil {
		return nil, err
	}
	stored := readSorcery(conf)
	if stored.transportFamily != "" {
		err = fmt.Errorf("transports are in a database, which only CLI commands show: %w", &PermissionError{Action: "Command", Classes: classesOf("Command")})
	}
	var out []uint16
	for _, file := range stored.transportFiles {
		conf, cerr := l.config(ctx, may, file)
		out, err = append(out, configuredTransports(conf)...), join(err, cerr)
	}
	return out, err
}

func (l listeners) chanSIP(ctx context.Context, may permitted) ([]uint16, error) {
	if may.absent("SIPshowpeer", "CoreStatus") {
		return nil, nil
	}
	if may("Command") {
		shown, err := l.cli(ctx, "sip show settings")
		return settingsPorts(shown), err
	}
	conf, err := l.config(ctx, may, "sip.conf")
	if err != nil || len(conf) == 0 {
		return nil, err
	}
	return configuredBinds(conf, defaultSIP, "bindaddr", "udpbindaddr"), nil
}

func (l listeners) iax2(ctx context.Context, may permitted) ([]uint16, error) {
	if may.absent("IAXpeers", "CoreStatus") {
		return nil, nil
	}
	conf, err := l.config(ctx, may, "iax.conf")
	if err != nil || len(conf) == 0 {
		return nil, err // without the file the module does not load
	}
	return configuredBinds(conf, defaultIAX2, "bindaddr"), nil
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

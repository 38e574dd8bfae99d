package setup

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/operator"
)

// site is what was found on this machine, before anything is asked.
type site struct {
	etc      string // Asterisk's configuration folder, as this machine reaches it
	lasting  bool   // it outlives the container
	asterisk process
	running  bool // an Asterisk with that folder
	freePBX  bool
	manager  managerConf
	database string // why FreePBX's settings could not be read, or ""
	detected

	accounts   []string  // phones and trunks in Asterisk's files, nil if others may exist
	logs       []logFile // with the path on this machine
	logFolder  string    // as Asterisk reaches it
	jails      []string  // of a running fail2ban, about Asterisk
	guests     string    // how somebody without a password can call in, or ""
	guestsOff  string
	registered []registration
	operators  []netip.Addr // where people are logged in by SSH; the one at this terminal first
	here       netip.Addr   // of the one at this terminal
	takesMail  bool         // a mail server is on this machine
	host       string       // this machine's name
}

// find looks at everything. It changes nothing.
func (s *Setup) find(ctx context.Context) (site, error) {
	f := site{etc: s.Asterisk, lasting: true}
	if f.asterisk, f.running = findProcess(s.Proc, s.Asterisk); f.running && !exists(s.Asterisk) {
		f.etc, f.lasting = f.asterisk.host(usualFolder)
	}
	var err error
	if f.manager, err = readManager(filepath.Join(f.etc, "manager.conf")); err != nil {
		return f, err
	}
	f.freePBX = isFreePBX(f.etc)
	var settings []mariadb.Setting
	if f.freePBX {
		if settings, err = s.freePBXSettings(ctx); err != nil {
			f.database = err.Error()
		}
	}
	f.detected = detect(f.etc, settings, machineTimezone())
	f.accounts = accounts(f.etc)
	f.logFolder, f.logs = logFiles(f.etc)
	f.logs = slices.DeleteFunc(f.logs, func(l logFile) bool { return !exists(f.onHost(l.path)) })
	f.jails = asteriskJails(ctx, s.Run)
	f.guests, f.guestsOff = guestCalls(f.etc, f.freePBX)
	f.registered = registered(ctx, func(ctx context.Context, command string) ([]byte, error) { return s.cli(ctx, f, command) }, time.Now())
	f.here = operator.Address()
	for _, a := range append([]netip.Addr{f.here}, operator.SSHSessions(s.Proc)...) {
		if a.IsValid() && !a.IsLoopback() && !slices.Contains(f.operators, a) {
			f.operators = append(f.operators, a)
		}
	}
	f.takesMail = takesMail("127.0.0.1:25")
	host, _ := os.Hostname()
	f.host = cmp.Or(host, "localhost")
	return f, nil
}

// freePBXSettings are the settings in the database of FreePBX or Issabel.
func (s *Setup) freePBXSettings(ctx context.Context) ([]mariadb.Setting, error) {
	admin, err := mariadb.Administer(ctx, mariadb.Options{Socket: s.Socket})
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return admin.Settings(ctx)
}

// onHost is where this machine has a file that Asterisk names.
func (f *site) onHost(path string) string {
	if !f.running {
		return path
	}
	at, _ := f.asterisk.host(path)
	return at
}

// logLasts says whether the folder of the logs outlives Asterisk's container.
func (f *site) logLasts() bool {
	if !f.running {
		return true
	}
	_, lasting := f.asterisk.host(f.logFolder)
	return lasting
}

// cli runs a command of Asterisk's own command line.
func (s *Setup) cli(ctx context.Context, f site, command string) ([]byte, error) {
	words := append(strings.Fields(f.asterisk.container), "asterisk", "-rx", command)
	return s.Run(ctx, words[0], words[1:]...)
}

// cliText is that command as a person types it.
func (f *site) cliText(command string) string {
	return strings.TrimSpace(f.asterisk.container + fmt.Sprintf(" asterisk -rx %q", command))
}

// differs says, for an Asterisk in a container, what is not as usual.
func (f *site) differs() []string {
	if !f.asterisk.inside {
		return nil
	}
	lines := []string{"Asterisk runs in a container."}
	if f.asterisk.container != "" {
		lines = append(lines, "Its commands are run with: "+f.asterisk.container+" asterisk -rx \"…\"")
	}
	lines = append(lines, "Its configuration is "+f.etc+" here; asterisk.config_dir is set to that.")
	if !f.lasting {
		lines = append(lines, "That folder is lost when the container is made anew, and the path changes when it restarts: mount a folder of this machine on "+usualFolder+", then run `tollwarden setup` again.")
	}
	if log := filepath.Join(f.logFolder, ourLog); f.onHost(f.logFolder) != f.logFolder {
		at, lasting := f.asterisk.host(f.logFolder)
		lines = append(lines, "Its log "+log+" is "+filepath.Join(at, ourLog)+" here.")
		if !lasting {
			lines = append(lines, "That path changes when the container restarts: mount a folder of this machine on "+f.logFolder+", too.")
		}
	}
	if f.asterisk.ownNet {
		lines = append(lines, "It has a network of its own. A block in this machine's kernel may not reach its packets: start it with host networking (docker run --network host).")
	}
	return lines
}

// logPath is the log that an answer names: a path on this machine.
func (f *site) logPath(answer string) string {
	switch answer {
	case logAdd:
		return f.onHost(filepath.Join(f.logFolder, ourLog))
	case logNone:
		return ""
	}
	return answer
}

// takesMail says whether a mail server listens at an address of this machine.
func takesMail(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	// Whoever hangs up without QUIT is in the server's log as a client that was lost.
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if client, err := smtp.NewClient(conn, "127.0.0.1"); err == nil {
		_ = client.Quit()
	}
	return true
}

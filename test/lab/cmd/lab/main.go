// Command lab starts a real Asterisk with a network around it, for a person to attack and to
// protect, and takes everything away again on Ctrl-C. It needs root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/template"

	"github.com/tollwarden/tollwarden/test/lab"
)

func main() {
	version := flag.String("asterisk", string(lab.Asterisk22), "version of Asterisk: 22 (PJSIP) or 16 (chan_sip)")
	packages := flag.Bool("packages", false, "print the Debian packages a lab needs, and end")
	provision := flag.Bool("provision", false, "build the root file systems of all versions, and end")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *packages:
		fmt.Println(strings.Join(lab.Packages(), " "))
	case *provision:
		err = provisionAll(ctx)
	default:
		err = run(ctx, lab.Version(*version))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// possible says what is missing for a lab.
func possible() error {
	if missing := lab.Missing(); len(missing) > 0 {
		return errors.New("needs " + strings.Join(missing, "; "))
	}
	return nil
}

func provisionAll(ctx context.Context) error {
	if err := possible(); err != nil {
		return err
	}
	for _, v := range lab.Versions() {
		dir, err := lab.Root(ctx, v, os.Stderr)
		if err != nil {
			return err
		}
		fmt.Printf("Asterisk %s: %s\n", v, dir)
	}
	dir, err := lab.Debian(ctx, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Printf("Debian 12: %s\n", dir)
	return nil
}

// run starts a lab with two phones and two attackers, and keeps it until ctx ends.
func run(ctx context.Context, version lab.Version) (err error) {
	if err := possible(); err != nil {
		return err
	}
	l, err := lab.Start(ctx, lab.Options{Version: version, Progress: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()

	office, err := l.Host("office", "198.51.100.10")
	if err != nil {
		return err
	}
	for _, account := range []string{"1001", "1003"} {
		phone, err := office.Phone(account, "", lab.PhoneOptions{})
		if err != nil {
			return err
		}
		defer phone.Close()
		if err := phone.Register(ctx); err != nil {
			return err
		}
	}
	thief, err := l.Host("thief", "203.0.113.66")
	if err != nil {
		return err
	}
	thief6, err := l.Host("thief6", "2001:db8:66::/64")
	if err != nil {
		return err
	}
	if err := help.Execute(os.Stdout, scene{l, office, thief, thief6}); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Println("\nTaking the lab away.")
	return nil
}

// scene is what the help names.
type scene struct {
	Lab                   *lab.Lab
	Office, Thief, Thief6 *lab.Host
}

func (scene) AMIUser() string      { return lab.AMIUser }
func (scene) AMISecret() string    { return lab.AMISecret }
func (scene) AMIAddress() string   { return lab.AMIAddress }
func (scene) PBX() string          { return lab.PBXAddress }
func (scene) PBX6() string         { return lab.PBXAddress6 }
func (scene) Password() string     { return lab.Passwords["1002"] }
func (s scene) Conf() string       { return s.Lab.Path("etc/asterisk/" + s.Lab.ConfFile()) }
func (s scene) Log() string        { return s.Lab.Path("var/log/asterisk/security") }
func (s scene) Messages() string   { return s.Lab.Path("var/log/asterisk/messages") }
func (s scene) Root() string       { return s.Lab.Path("") }
func (s scene) SourceOf6() string  { return s.Thief6.Source().String() }
func (s scene) NetworkOf6() string { return s.Thief6.Network().String() }

var help = template.Must(template.New("help").Parse(`
Asterisk {{.Lab.Version}} ({{.Lab.Technology}}) runs at {{.PBX}} and {{.PBX6}}, port 5060, UDP and TCP.
It reaches nothing outside the lab. Phones 1001 and 1003 are registered from {{.Office.Source}} and
answer calls; 1002 is there to be stolen, its password is {{.Password}}.

  namespace            address
  {{printf "%-20s" .Lab.PBX.Namespace}} {{.PBX}}, {{.PBX6}}
  {{printf "%-20s" .Office.Namespace}} {{.Office.Source}}
  {{printf "%-20s" .Thief.Namespace}} {{.Thief.Source}}
  {{printf "%-20s" .Thief6.Namespace}} {{.SourceOf6}}, all of {{.NetworkOf6}}

Protect it: run the daemon where Asterisk runs.
  ip netns exec {{.Lab.PBX.Namespace}} tollwarden run -c FILE
with [asterisk] address = "{{.AMIAddress}}", username = "{{.AMIUser}}", secret = "{{.AMISecret}}",
log = "{{.Messages}}".

Attack it:
  ip netns exec {{.Thief.Namespace}} svcrack -u 1002 -r 1000-9999 {{.PBX}}
  ip netns exec {{.Thief.Namespace}} svwar --force -t 0 -e 900-1100 {{.PBX}}
  ip netns exec {{.Thief6.Namespace}} svmap -6 {{.PBX6}}

Watch it:
  tail -f {{.Log}}
  ip netns exec {{.Lab.PBX.Namespace}} nft list ruleset
  ip netns exec {{.Lab.PBX.Namespace}} chroot {{.Root}} asterisk -r
Accounts: {{.Conf}}

Ctrl-C ends it and takes everything away.
`))

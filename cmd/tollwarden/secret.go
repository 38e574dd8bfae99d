package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/provision"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// geteuid is who runs the command.
var geteuid = os.Geteuid

// secretOptions are the flags of secret.
type secretOptions struct {
	identity, provision, template, file string
	accepted                            bool
}

func newSecret() *cobra.Command {
	cmd := &cobra.Command{
		Use: "secret EXTENSION", Short: "Show the newest password that Tollwarden gave an extension, to root alone", Args: args(cobra.ExactArgs(1)),
		Long: "Show the newest password that Tollwarden gave an extension. It reads the file in which rotations store\n" +
			"them (rotate.store), not the daemon, and runs as root alone. Whether somebody has changed the password\n" +
			"since is not known. Encrypted passwords (rotate.recipient) need --identity.\n\n" +
			"With --provision, the password is not shown, but written to a file from which a phone fetches its\n" +
			"settings, made from --template, a Go template with {{.Account}}, {{.Secret}} and {{.At}}; {{xml .Account}}\n" +
			"escapes for XML. The file gets mode 0640 and the folder's group, which should be the server's. A folder is\n" +
			"refused if other users can enter it, if its group can change it, or if a web, TFTP or FTP server, NFS or\n" +
			"Samba hands it out, by its usual place or its configuration. Remove the file when the phone has fetched it.",
		Example: "  tollwarden secret 1006\n  tollwarden secret 1006 --provision /srv/provisioning --template yealink.cfg --file 001565aabbcc.cfg",
	}
	path, asJSON := configFlag(cmd), jsonFlag(cmd)
	var o secretOptions
	cmd.Flags().StringVar(&o.identity, "identity", "", "the `FILE` with your age key, for encrypted passwords")
	cmd.Flags().StringVar(&o.provision, "provision", "", "write it to a file in this `DIR`, and do not show it")
	cmd.Flags().StringVar(&o.template, "template", "", "the `FILE` that the phone's file is made from")
	cmd.Flags().StringVar(&o.file, "file", "", "the `NAME` of the phone's file; by default the extension and the template's ending")
	cmd.Flags().BoolVar(&o.accepted, provision.AcceptServed[2:], false, "write it even if a server is known to hand out the folder: whoever fetches the file has the password")
	cmd.MarkFlagsRequiredTogether("provision", "template")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if geteuid() != 0 {
			return errors.New("only root may see passwords: run it with sudo")
		}
		cfg, err := settings.Load(*path)
		if err != nil {
			return err
		}
		e, err := newestSecret(cfg, args[0], o.identity)
		if err != nil {
			return err
		}
		switch out := cmd.OutOrStdout(); {
		case o.provision != "":
			return o.write(out, args[0], e)
		case *asJSON:
			return output.JSON(out, secretShown{e.Account, e.At, e.Secret})
		default:
			fmt.Fprintf(cmd.ErrOrStderr(), "set by Tollwarden at %s\n", output.Time(e.At))
			_, err = fmt.Fprintln(out, output.Plain(e.Secret))
			return err
		}
	}
	return cmd
}

// secretShown is what secret prints as JSON.
type secretShown struct {
	Account string    `json:"account"`
	At      time.Time `json:"at"` // when it was set
	Secret  string    `json:"secret"`
}

// newestSecret reads the vault, and the key that opens it.
func newestSecret(cfg *config.Config, account, identity string) (e pbx.Entry, err error) {
	var key []byte
	if identity != "" {
		if key, err = os.ReadFile(identity); err != nil {
			return e, fmt.Errorf("age key: %w", err)
		}
	}
	e, err = pbx.NewestSecret(cfg.Rotate.Store, account, key)
	switch {
	case errors.Is(err, pbx.ErrSealed):
		return e, fmt.Errorf("%w: decrypt it where your key is (age -d -i KEY), or name the key with --identity", err)
	case errors.Is(err, pbx.ErrNoSecret):
		return e, fmt.Errorf("Tollwarden has set no password of %s: %s does", account, incident.AccountCommand("rotate", account))
	}
	return e, err
}

// write makes the phone's file.
func (o *secretOptions) write(out io.Writer, account string, e pbx.Entry) error {
	text, err := os.ReadFile(o.template)
	if err != nil {
		return fmt.Errorf("template: %w", err)
	}
	name := o.file
	if name == "" {
		name = account + filepath.Ext(o.template)
	}
	folder, err := provision.Open(o.provision, provision.Services("/"), o.accepted)
	if err != nil {
		return err
	}
	defer folder.Close()
	path, err := folder.Write(name, string(text), provision.Entry{Account: account, Secret: e.Secret, At: e.At})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, output.Plain("wrote "+path+": remove it when the phone has fetched it"))
	return err
}

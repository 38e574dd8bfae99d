package check

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// commandRunner runs a program of this machine and returns what it prints.
type commandRunner func(ctx context.Context, name string, args ...string) (string, error)

func runCommand(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return string(out), err
}

// watchesAsterisk says whether a jail of fail2ban is about Asterisk, by its name: Debian's,
// and those of FreePBX's intrusion detection, but not that of its web pages.
func watchesAsterisk(jail string) bool {
	jail = strings.ToLower(jail)
	return strings.Contains(jail, "asterisk") || strings.Contains(jail, "freepbx") && !strings.Contains(jail, "web")
}

// fail2ban says whether a fail2ban on this machine watches Asterisk, too. Its other jails
// are no business of ours.
func fail2ban(run commandRunner) func(context.Context, *config.Config) []Result {
	return func(ctx context.Context, _ *config.Config) []Result {
		out, err := run(ctx, "fail2ban-client", "status")
		if err != nil {
			return nil // there is none, or it does not run
		}
		jails := jailsOf(out)
		watching := slices.DeleteFunc(slices.Clone(jails), func(jail string) bool { return !watchesAsterisk(jail) })
		if len(watching) == 0 {
			return []Result{passed("it runs, and none of its jails (%s) watches Asterisk", strings.Join(jails, ", "))}
		}
		var off strings.Builder
		for _, jail := range watching {
			off.WriteString(`[` + jail + `]\nenabled = false\n`)
		}
		return []Result{warning("its jail %s watches Asterisk, too: it bans on its own, so that releasing an address here may not be enough to let somebody in. Other jails may go on", strings.Join(watching, ", ")).
			fix("printf " + quote(off.String()) + " >> /etc/fail2ban/jail.d/zz-tollwarden.local && fail2ban-client reload")}
	}
}

// jailsOf reads the names in the answer of fail2ban-client.
func jailsOf(status string) (out []string) {
	_, list, found := strings.Cut(status, "Jail list:")
	if !found {
		return nil
	}
	line, _, _ := strings.Cut(list, "\n")
	for jail := range strings.SplitSeq(line, ",") {
		if jail = strings.TrimSpace(jail); jail != "" {
			out = append(out, jail)
		}
	}
	return out
}

// markOfFreePBX is in the files that FreePBX and Issabel generate.
const markOfFreePBX = "not edit this file as it is auto-generated"

// isFreePBX says whether FreePBX or Issabel generates the files of a folder.
func isFreePBX(folder string) bool {
	for _, name := range []string{"pjsip.auth.conf", "pjsip_additional.conf", "sip_additional.conf"} {
		if isGenerated(filepath.Join(folder, name)) {
			return true
		}
	}
	return false
}

// isGenerated says whether they generate a file.
func isGenerated(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && strings.Contains(strings.ToLower(string(text)), markOfFreePBX)
}

// freePBX says what of FreePBX's own state matters here: changes that wait to be applied, and
// a firewall of its own.
func freePBX(run commandRunner) func(context.Context, *config.Config) []Result {
	return func(ctx context.Context, cfg *config.Config) (out []Result) {
		if !isFreePBX(cfg.Asterisk.ConfigDir) {
			return nil
		}
		if pending, known := needsReload(ctx, settings.Database(cfg)); known && pending {
			out = append(out, warning("it has changes that are not applied: its files may differ from its database, so that a changed password may come too early or too late").
				fix("fwconsole reload"))
		}
		if rules, err := run(ctx, "iptables", "-S"); err == nil && strings.Contains(rules, "fpbxfirewall") {
			out = append(out, note("its firewall is on, and may go on: what either of the two drops is dropped"))
		}
		if len(out) == 0 {
			out = append(out, passed("nothing of it is in the way"))
		}
		return out
	}
}

// needsReload says whether FreePBX's red button is shown. known is false without the right
// to look.
func needsReload(ctx context.Context, o mariadb.Options) (pending, known bool) {
	admin, err := mariadb.Administer(ctx, o)
	if err != nil {
		return false, false
	}
	defer admin.Close()
	pending, err = admin.NeedsReload(ctx)
	return pending, err == nil
}

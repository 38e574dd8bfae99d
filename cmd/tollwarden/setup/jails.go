package setup

import (
	"context"
	"slices"
	"strings"
)

// jailsFile is where setup turns jails of fail2ban off. Its name makes it the last one that
// fail2ban reads (jail.conf(5)).
const jailsFile = "/etc/fail2ban/jail.d/zz-tollwarden.local"

// asteriskJails are the jails of a running fail2ban that watch Asterisk; nil if none runs.
func asteriskJails(ctx context.Context, run Runner) (jails []string) {
	out, err := run(ctx, "fail2ban-client", "status")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		_, list, ok := strings.Cut(line, "Jail list:")
		if !ok {
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" && watchesAsterisk(ctx, run, name) {
				jails = append(jails, name)
			}
		}
	}
	slices.Sort(jails)
	return jails
}

// watchesAsterisk says whether a jail is about Asterisk, by its name or its log. Logins to
// the web interface of FreePBX, whose log is in the same folder, are none of ours.
func watchesAsterisk(ctx context.Context, run Runner, jail string) bool {
	if strings.Contains(strings.ToLower(jail), "asterisk") {
		return true
	}
	out, err := run(ctx, "fail2ban-client", "get", jail, "logpath")
	return err == nil && strings.Contains(string(out), "/asterisk/") && !strings.Contains(string(out), "/asterisk/freepbx")
}

// jailsText turns jails off, and nothing else.
func jailsText(jails []string) string {
	var b strings.Builder
	b.WriteString("# Written by `tollwarden setup`: Tollwarden blocks for Asterisk. All other jails stay as\n# they are. `tollwarden setup --undo` removes this file.\n")
	for _, j := range jails {
		b.WriteString("\n[" + j + "]\nenabled = false\n")
	}
	return b.String()
}

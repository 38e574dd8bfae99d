package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
)

// privileges tries what the playbooks in use need, by actions that are incomplete on
// purpose: Asterisk says what is missing, or that the user may not.
func privileges(ctx context.Context, cfg *config.Config, s *session) []Result {
	needed := neededSteps(cfg)
	lacks := slices.DeleteFunc(slices.Clone(s.may.Lacks), func(l pbx.Lack) bool { return !slices.Contains(needed, l.Step) })
	tried, refused, err := s.manager.Try(ctx, s.may, needed...)
	if err != nil {
		return []Result{warning("could not try every action: %v", err)}
	}
	lacks = append(lacks, refused...)
	if len(lacks) == 0 {
		return []Result{passed("the user may carry out every step of the playbooks: Asterisk forbids none of the %d actions tried, and none changed anything", tried)}
	}
	var lines []string
	for _, lack := range lacks {
		lines = append(lines, "missing: "+lack.String())
	}
	stanza := pbx.Stanza(cfg.Asterisk.Username, "<a long random secret>", own(s.client), s.may.Write(needed...))
	lines = append(lines, "The smallest section of manager.conf for this configuration:")
	lines = append(lines, strings.Split(strings.TrimSpace(stanza), "\n")...)
	return []Result{failed("the user lacks privileges that the playbooks need").with(lines...).
		fix(managerFix(cfg, "write", withClasses(cfg, "write", s.may.Write(needed...)...)))}
}

// limits are what nobody can do about, and with verbose the smallest section of
// manager.conf.
func limits(verbose bool) func(context.Context, *config.Config, *session) []Result {
	return func(ctx context.Context, cfg *config.Config, s *session) []Result {
		out := append(iax(ctx, s.manager, cfg), help(cfg, s.may.Lacks)...)
		if !verbose {
			return out
		}
		stanza := pbx.Stanza(cfg.Asterisk.Username, "<a long random secret>", own(s.client), s.may.Write(neededSteps(cfg)...))
		return append(out, note("%s", unattributed),
			note("The smallest section of manager.conf for this configuration:").with(strings.Split(strings.TrimSpace(stanza), "\n")...),
			note("classes that the user is known to have: %s", fmt.Sprint(s.may.Classes)))
	}
}

// unattributed names the calls of which nobody can say which extension caused them.
const unattributed = "Calls of PJSIP and SIP count for the extension that dials, forwards or transfers them. Those that come in by DAHDI and other lines or by IAX2 trunks and leave again count for the trunk; Originate, Page, call files and `channel originate` for the PBX itself (pbx/itself)"

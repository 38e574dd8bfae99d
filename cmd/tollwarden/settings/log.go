package settings

import (
	"fmt"
	"strings"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/config"
)

// Follower follows the configured log, which must be set.
func Follower(cfg *config.Config) (*logfile.Follower, error) {
	a := &cfg.Asterisk
	f := &logfile.Follower{Path: a.Log, Tags: a.LogTags}
	if a.LogDateFormat != "" {
		format, err := logfile.ParseDateFormat(a.LogDateFormat)
		if err != nil {
			return nil, fmt.Errorf("asterisk.log_dateformat: %w", err)
		}
		f.DateFormat = format
		return f, nil
	}
	f.Hint = func() *logfile.DateFormat { return loggerDateFormat(a.ConfigDir) }
	return f, nil
}

// loggerDateFormat is the format that logger.conf names, or nil.
func loggerDateFormat(folder string) *logfile.DateFormat {
	conf, err := conffile.Load(folder, "logger.conf")
	if err != nil {
		return nil
	}
	format, err := logfile.ParseDateFormat(conf.Value("general", "dateformat"))
	if err != nil {
		return nil
	}
	return format
}

// fewLines is how many lines of a log say nothing yet about it.
const fewLines = 20

// LogProblem says why a log is not read as it should be, and what to do about it; "" if it is.
func LogProblem(h logfile.Health) string {
	r := h.Recent
	undated := r.Undated > 0 && r.Undated*2 > r.Entries+r.Undated
	switch {
	case undated && h.Ambiguous != nil:
		return noCommand(h.Ambiguous.Error()) + ": set asterisk.log_dateformat to the right one"
	case undated:
		return "the dates of its lines are in an unknown format: set asterisk.log_dateformat to the dateformat in logger.conf, or there dateformat=%F %T"
	case r.Lines >= fewLines && r.Entries == 0 && r.Others > 0:
		return fmt.Sprintf("none of its last %d lines is Asterisk's: if Asterisk has another name there, set asterisk.log_tags", r.Lines)
	case r.Lines > 0 && r.Foreign*2 > r.Lines:
		return fmt.Sprintf("%d of its last %d lines are not in a form of Asterisk's logger, such as %s: is it Asterisk's log?", r.Foreign, r.Lines, noCommand(fmt.Sprintf("%.60q", h.Sample)))
	}
	return ""
}

// noCommand is a text with a stranger's words in it, none of which looks like a command of ours,
// which stand in backquotes.
func noCommand(text string) string { return strings.ReplaceAll(text, "`", `\x60`) }

// LogTrust says who else can have written the lines of a log; "" if nobody.
func LogTrust(t logfile.Trust) string {
	switch t {
	case logfile.LocalUsers:
		return "any program on this host can write such lines into syslog and the journal, so what they say may be spoofed, and no success counts: better have Asterisk write a file of its own"
	case logfile.Anyone:
		return "these lines are from Asterisk's console, where a caller's name with a line feed makes further ones, so what they say may be spoofed, and no success counts: better have Asterisk write a file of its own"
	}
	return ""
}

package setup

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// logFile is a file to which Asterisk logs.
type logFile struct {
	name   string // as logger.conf has it
	path   string // as Asterisk reaches it
	levels []string
}

// has says whether the file gets lines of all these levels.
func (l logFile) has(levels ...string) bool {
	for _, level := range levels {
		if !slices.Contains(l.levels, level) && !slices.Contains(l.levels, "*") {
			return false
		}
	}
	return true
}

// ourLog is the file that setup adds to logger.conf, and ourLevels what it gets.
const (
	ourLog    = "tollwarden"
	ourLevels = "notice,warning,error,security"
)

// customLogs is the file of FreePBX and Issabel for a person's own lines.
const customLogs = "logger_logfiles_custom.conf"

// logFiles reads logger.conf: the folder of the logs and the files in it.
func logFiles(etc string) (folder string, list []logFile) {
	folder = "/var/log/asterisk"
	if set := load(etc, "asterisk.conf").Value("directories", "astlogdir"); set != "" {
		folder = set
	}
	for _, s := range load(etc, "logger.conf").Sections {
		if s.Name != "logfiles" || s.Template {
			continue
		}
		for _, v := range s.Variables {
			if v.Name == "console" || strings.HasPrefix(v.Name, "syslog.") {
				continue
			}
			l := logFile{name: v.Name, path: v.Name}
			if !filepath.IsAbs(l.path) {
				l.path = filepath.Join(folder, l.path)
			}
			list = append(list, withLevels(l, v.Value))
		}
	}
	return folder, list
}

// withLevels reads "[json]notice,verbose(3)": a format, and levels.
func withLevels(l logFile, value string) logFile {
	if _, rest, ok := strings.Cut(value, "]"); ok && strings.HasPrefix(value, "[") {
		value = rest
	}
	for level := range strings.SplitSeq(value, ",") {
		level, _, _ = strings.Cut(level, "(")
		l.levels = append(l.levels, strings.ToLower(strings.TrimSpace(level)))
	}
	return l
}

// bestLog is the log to read: the first with everything, or else with what matters most.
func bestLog(list []logFile) (best logFile, complete bool) {
	for _, levels := range [][]string{{"notice", "security", "warning"}, {"notice", "warning"}, {"notice"}} {
		for _, l := range list {
			if l.has(levels...) {
				return l, len(levels) == 3
			}
		}
	}
	return logFile{}, false
}

// withLog adds our line to the text of a logger file: to the section logfiles, or, in a file
// that is included there, to the end.
func withLog(text []byte, included bool) []byte {
	line := ourLog + " => " + ourLevels + "\n"
	if included {
		return append(append(slices.Clone(text), newlineUnless(text)...), line...)
	}
	sections := conffile.Sections(conffile.Parse(text), "logfiles")
	if len(sections) == 0 {
		return append(append(slices.Clone(text), newlineUnless(text)...), "[logfiles]\n"+line...)
	}
	return conffile.SetVariable(text, sections[0], ourLog, "", ourLevels)
}

package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// loggerConf says what Asterisk logs where.
const loggerConf = "logger.conf"

// endOfLog is how much of the log's end is searched for our line.
const endOfLog = 1 << 20

// readLog reads the end of Asterisk's log, or recommends one if none is set.
func readLog(cfg *config.Config, o Options) []Result {
	path := cfg.Asterisk.Log
	if path == "" {
		return []Result{noLog(cfg, o)}
	}
	follower, err := settings.Follower(cfg)
	if err != nil {
		return []Result{failed("%v", err)}
	}
	health, err := follower.Sample(time.Now())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return []Result{failed("%v: let the user in the log's group", err).fix("usermod -a -G asterisk tollwarden")}
	case err != nil:
		return []Result{notWritten(cfg, o, err.Error())}
	}
	if uid := settings.DaemonUser(cfg); !permits(path, uid, mayRead) {
		return []Result{failed("the daemon's user (%s) cannot read %s", userName(uid), path).fix(readFix(path, uid))}
	}
	if problem := settings.LogProblem(health); problem != "" {
		return []Result{failed("%s: %s", path, problem).fix(dateFix(cfg, problem))}
	}
	out := []Result{passed("%s can be read; %d of its last %d lines show attempts", path, health.Counts.Seen, health.Counts.Lines)}
	if others := health.Counts.Others; others > 0 {
		out = append(out, passed("%s skipped: they are other programs', or no part of the log", incident.Count(int(others), "line")))
	}
	if spoofed := settings.LogTrust(health.Trust); spoofed != "" {
		out = append(out, warning("%s: %s", path, spoofed))
	}
	return out
}

// dateFix gives the log dates that can be read, if that is the problem.
func dateFix(cfg *config.Config, problem string) string {
	if !strings.Contains(problem, "dateformat") {
		return ""
	}
	return setVariable(sectionFile(cfg.Asterisk.ConfigDir, loggerConf, "general"), "general", "dateformat", "%F %T") + " && " + reload("logger")
}

// readFix lets a user read a file by its group, if that may; then the user has to start anew.
func readFix(path string, uid int) string {
	at := blocked(path, uid, mayRead)
	info, err := os.Stat(at)
	if err != nil {
		return ""
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && at == path && info.Mode().Perm()&0o040 != 0 && st.Gid != 0 {
		return fmt.Sprintf("usermod -a -G %s %s && systemctl restart tollwarden", quote(groupName(int(st.Gid))), quote(userName(uid)))
	}
	return "setfacl -m u:" + quote(userName(uid)) + ":rX " + quote(at)
}

// logLine looks in the log for the line of the login that Asterisk has refused.
func logLine(o Options) func(context.Context, *config.Config, *session) []Result {
	return func(ctx context.Context, cfg *config.Config, s *session) []Result {
		out := readLog(cfg, o)
		if cfg.Asterisk.Log == "" || out[0].State != OK || !s.sent {
			return out
		}
		if awaitLine(ctx, cfg.Asterisk.Log, s.marker) {
			return append(out, passed("Asterisk wrote a line about this check's refused login into it"))
		}
		return append(out, notWritten(cfg, o, "Asterisk wrote no line about this check's refused login into "+cfg.Asterisk.Log))
	}
}

// awaitLine waits until the end of a file has a text.
func awaitLine(ctx context.Context, path, text string) bool {
	ctx, cancel := context.WithTimeout(ctx, eventWithin)
	defer cancel()
	for {
		if bytes.Contains(tailOf(path), []byte(text)) {
			return true
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}

func tailOf(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	buf := make([]byte, min(info.Size(), endOfLog))
	n, _ := f.ReadAt(buf, info.Size()-int64(len(buf)))
	return buf[:n]
}

// channel is one line of logger.conf: a file and what goes there.
type channel struct {
	key, levels string
	file        string // the file of configuration that has the line
}

// notices says whether the levels include notices.
func (c channel) notices() bool {
	levels := c.levels
	if _, after, found := strings.Cut(levels, "]"); found { // the formatter, such as [json]
		levels = after
	}
	for level := range strings.SplitSeq(levels, ",") {
		if level = strings.ToLower(strings.TrimSpace(level)); level == "notice" || level == "*" {
			return true
		}
	}
	return false
}

// is says whether the channel writes to a file.
func (c channel) is(path string) bool {
	return path == c.key || strings.HasSuffix(path, "/"+strings.TrimPrefix(c.key, "/"))
}

// channels are the files that logger.conf names.
func channels(folder string) (out []channel) {
	conf, err := conffile.Load(folder, loggerConf)
	if err != nil {
		return nil
	}
	for _, s := range conf.Sections {
		if s.Name != "logfiles" || s.Template {
			continue
		}
		for _, v := range s.Variables {
			if v.Name != "console" && !strings.HasPrefix(v.Name, "syslog.") {
				out = append(out, channel{key: v.Name, levels: v.Value, file: channelFile(folder, v.Name)})
			}
		}
	}
	return out
}

// channelFile is the file of configuration that has the line of a log.
func channelFile(folder, key string) string {
	return fileWith(folder, loggerConf, func(lines []conffile.Line) bool {
		return slices.ContainsFunc(lines, func(l conffile.Line) bool { return l.Kind == conffile.Variable && l.Name == key })
	})
}

// path is where the lines of a channel are on this machine.
func (c channel) path() string {
	if filepath.IsAbs(c.key) {
		return c.key
	}
	return filepath.Join("/var/log/asterisk", c.key)
}

// noLog recommends a log: one that Asterisk writes notices to.
func noLog(cfg *config.Config, o Options) Result {
	r := warning("none is set: an attacker who evades the manager interface is not seen, but the log has the address. Set asterisk.log to a file to which logger.conf sends notice, warning and error, such as /var/log/asterisk/messages")
	all := channels(cfg.Asterisk.ConfigDir)
	if i := slices.IndexFunc(all, channel.notices); i >= 0 {
		return r.fix(setKey(o.file(), "asterisk", "log", strconv.Quote(all[i].path())))
	}
	return r
}

// notWritten says why Asterisk writes nothing into the log, as far as logger.conf says.
func notWritten(cfg *config.Config, o Options, text string) Result {
	all := channels(cfg.Asterisk.ConfigDir)
	if len(all) == 0 {
		return failed("%s: does it write there?", text).fix(reload("logger"))
	}
	i := slices.IndexFunc(all, func(c channel) bool { return c.is(cfg.Asterisk.Log) })
	if i < 0 {
		with := slices.IndexFunc(all, channel.notices)
		if with < 0 {
			return failed("%s: logger.conf has no file with notices", text).
				fix(setVariable(filepath.Join(cfg.Asterisk.ConfigDir, loggerConf), "logfiles", "messages", "notice,warning,error") + " && " + reload("logger"))
		}
		return failed("%s: logger.conf does not name that file, but %s", text, all[with].path()).
			fix(setKey(o.file(), "asterisk", "log", strconv.Quote(all[with].path())))
	}
	if other := slices.IndexFunc(all, channel.notices); !all[i].notices() && isGenerated(all[i].file) && other >= 0 {
		return failed("%s: logger.conf sends only %s there, without notice, but notices to %s", text, all[i].levels, all[other].path()).
			fix(setKey(o.file(), "asterisk", "log", strconv.Quote(all[other].path())))
	}
	if !all[i].notices() {
		return failed("%s: logger.conf sends only %s there, without notice", text, all[i].levels).
			fix(setVariable(all[i].file, "logfiles", all[i].key, all[i].levels+",notice") + " && " + reload("logger"))
	}
	return failed("%s: it still writes to a file that was moved away", text).fix(reload("logger"))
}

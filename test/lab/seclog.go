package lab

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// SecurityEvent is an entry of Asterisk's security log.
type SecurityEvent struct {
	Name    string // such as ChallengeResponseFailed
	Service string // PJSIP, SIP or AMI
	Account string
	Source  netip.AddrPort
}

// SecurityLog is what Asterisk says it did, in order: the truth that tests count by.
type SecurityLog []SecurityEvent

// From keeps what came from sources within p.
func (s SecurityLog) From(p netip.Prefix) SecurityLog {
	return s.keep(func(e SecurityEvent) bool { return p.Contains(e.Source.Addr()) })
}

// Against keeps what names the account.
func (s SecurityLog) Against(account string) SecurityLog {
	return s.keep(func(e SecurityEvent) bool { return e.Account == account })
}

// Count says how many there are of the named events.
func (s SecurityLog) Count(names ...string) int {
	return len(s.keep(func(e SecurityEvent) bool { return slices.Contains(names, e.Name) }))
}

// Guesses says how many wrong passwords Asterisk has answered: ChallengeResponseFailed of PJSIP
// and InvalidPassword of chan_sip.
func (s SecurityLog) Guesses() int { return s.Count("ChallengeResponseFailed", "InvalidPassword") }

func (s SecurityLog) keep(wanted func(SecurityEvent) bool) SecurityLog {
	var kept SecurityLog
	for _, e := range s {
		if wanted(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// SecurityLog reads Asterisk's security log. Asterisk writes it behind the events, so that this
// waits until the file has not grown for a moment.
func (l *Lab) SecurityLog() (SecurityLog, error) {
	file := l.Path("var/log/asterisk/security")
	if err := settle(file); err != nil {
		return nil, fmt.Errorf("read security log: %w", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read security log: %w", err)
	}
	return parseSecurityLog(string(text)), nil
}

// settle returns once the file has kept its size for a while, at the latest after some seconds:
// a log that never rests is read as it is.
func settle(file string) error {
	const quiet, most = 200 * time.Millisecond, 10 * time.Second
	size := int64(-1)
	for waited := time.Duration(0); waited < most; waited += quiet {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if info.Size() == size {
			return nil
		}
		size = info.Size()
		time.Sleep(quiet)
	}
	return nil
}

var (
	entryStart = regexp.MustCompile(`(?m)^\[[^\]]*\] SECURITY\[`)
	entry      = regexp.MustCompile(`(?s)SecurityEvent="([^"]*)".*?,Service="([^"]*)".*?,AccountID="(.*?)",SessionID=.*,` +
		`RemoteAddress="IPV[46]/(?:\w+/)?([^/"]+)/(\d+)"`)
)

// parseSecurityLog reads entries; what attackers send may break them over lines, and an entry
// that is damaged beyond that is left out.
func parseSecurityLog(text string) SecurityLog {
	starts := entryStart.FindAllStringIndex(text, -1)
	log := make(SecurityLog, 0, len(starts))
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		m := entry.FindStringSubmatch(text[start[0]:end])
		if m == nil {
			continue
		}
		addr, err := netip.ParseAddr(m[4])
		if err != nil {
			continue
		}
		port, err := strconv.ParseUint(m[5], 10, 16)
		if err != nil {
			continue
		}
		source := netip.AddrPortFrom(addr.Unmap(), uint16(port))
		log = append(log, SecurityEvent{Name: m[1], Service: m[2], Account: m[3], Source: source})
	}
	return log
}

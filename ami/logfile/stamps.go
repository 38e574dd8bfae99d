package logfile

import (
	"bytes"
	"time"
)

// stamps reads the dates that syslog, the journal and containers put before a line.
type stamps struct {
	clock *Clock // for the zone and the year
	last  int    // the format of the last one

	text  []byte // the date read last, and what came of it
	at    time.Time
	zoned bool
}

// stampFormats are the formats of syslogd, rsyslog, syslog-ng, BusyBox, OpenWrt, the journal
// in all short forms, and Docker.
var stampFormats = []*DateFormat{
	mustDateFormat("%b %e %T"),
	mustDateFormat("%FT%T%z"),
	mustDateFormat("%FT%T"),
	mustDateFormat("%a %F %T %Z"),
	mustDateFormat("%F %T%z"),
	mustDateFormat("%F %T %z"),
	mustDateFormat("%F %T"),
	mustDateFormat("%a %b %e %T %Y"),
	mustDateFormat("%b %e %Y %T"),
	mustDateFormat("%Y %b %e %T"),
	mustDateFormat("%s"),
}

// read reads the date at the start of v and returns its length, or 0. It must end at a space
// or with v.
func (s *stamps) read(v []byte) (at time.Time, zoned bool, n int) {
	if len(v) < 9 || v[0] == ' ' {
		return time.Time{}, false, 0
	}
	if n = len(s.text); n > 0 && bytes.HasPrefix(v, s.text) && (len(v) == n || v[n] == ' ') {
		return s.at, s.zoned, n
	}
	if n = s.as(s.last, v); n > 0 {
		return s.at, s.zoned, n
	}
	for i := range stampFormats {
		if n = s.as(i, v); n > 0 {
			s.last = i
			return s.at, s.zoned, n
		}
	}
	return time.Time{}, false, 0
}

// as reads a date in one format.
func (s *stamps) as(format int, v []byte) (n int) {
	f := stampFormats[format]
	d, n, ok := f.read(v)
	if !ok || n < len(v) && v[n] != ' ' {
		return 0
	}
	zone := s.clock.Location
	if zone == nil {
		zone = time.UTC
	}
	at, ok := d.at(zone, s.clock.Latest)
	if !ok {
		return 0
	}
	s.at, s.zoned, s.text = at, d.zoned || d.hasEpoch, append(s.text[:0], v[:n]...)
	return n
}

package logfile

import "time"

// abbreviations are the offsets, in hours, of abbreviated time zones that mean one thing.
// Others, such as CST and IST, are known only where they are the log's own.
var abbreviations = map[string]float64{
	"UTC": 0, "GMT": 0, "UCT": 0, "WET": 0, "WEST": 1, "CET": 1, "MET": 1, "CEST": 2, "MEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "SAST": 2, "CAT": 2, "EAT": 3, "WAT": 1,
	"EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "NST": -3.5, "NDT": -2.5,
	"JST": 9, "KST": 9, "HKT": 8, "PKT": 5, "WIB": 7, "WITA": 8, "WIT": 9, "AEST": 10, "AEDT": 11, "ACST": 9.5, "ACDT": 10.5, "AWST": 8, "NZST": 12, "NZDT": 13,
}

// abbreviation returns the offset of an abbreviated zone, in seconds: that of the log's own
// zone if it has a time of this name in the year, -1 being any.
func abbreviation(name []byte, own *time.Location, year int) (offset int, known bool) {
	if year < 0 {
		year = 2026
	}
	for _, month := range []time.Month{time.January, time.July} {
		if called, at := time.Date(year, month, 1, 0, 0, 0, 0, own).Zone(); called == string(name) {
			return at, true
		}
	}
	hours, known := abbreviations[string(name)]
	return int(hours * 3600), known
}

// fixedZones are the zones of all offsets that exist, so that a line allocates none.
var fixedZones = func() (zones [2*widestOffset/zoneStep + 1]*time.Location) {
	for i := range zones {
		zones[i] = time.FixedZone("", int((time.Duration(i)*zoneStep - widestOffset).Seconds()))
	}
	return zones
}()

const widestOffset = 15 * time.Hour

func fixedZone(offset int) *time.Location {
	d := time.Duration(offset) * time.Second
	if d%zoneStep != 0 || d.Abs() > widestOffset {
		return time.FixedZone("", offset)
	}
	return fixedZones[(d+widestOffset)/zoneStep]
}

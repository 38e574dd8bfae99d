package cdr

// layout says where the columns of a file are.
type layout struct {
	at     [columns]int // -1: it has none
	last   int          // the last field that a record needs
	events bool         // a log of channel events (CEL), not of calls
}

func newLayout(list ...column) *layout {
	l := &layout{}
	for i := range l.at {
		l.at[i] = -1
	}
	for i, c := range list {
		if c < columns {
			l.at[c] = i
		}
	}
	if l.events = l.at[celType] >= 0; l.events {
		l.last = max(l.at[celType], l.at[celTime], l.at[channel], l.at[uniqueid], l.at[linkedid])
	} else {
		l.last = max(l.at[start], l.at[end], l.at[duration], l.at[channel])
	}
	return l
}

// ignored is a column that nothing here needs.
const ignored = columns

// The columns of files without names.
var (
	// cdr_csv: build_csv_record in cdr/cdr_csv.c.
	ofCSV = newLayout(accountCode, source, dialled, context, ignored, channel, outChannel, ignored, data, start, answer, end, duration, billed, disposition, ignored, uniqueid)
	// cdr_custom: configs/samples/cdr_custom.conf.
	ofCustom = newLayout(ignored, source, dialled, context, channel, outChannel, ignored, data, start, answer, end, duration, billed, disposition, ignored, accountCode, uniqueid)
	// The table cdr, as mysql exports it and as Rows selects it.
	ofTable = newLayout(start, ignored, source, dialled, context, channel, outChannel, ignored, data, duration, billed, disposition, ignored, accountCode, uniqueid)
	// cel_custom: configs/samples/cel_custom.conf.
	ofEvents = newLayout(celType, celTime, ignored, source, ignored, ignored, ignored, celExten, context, channel, celApp, data, ignored, accountCode, uniqueid, linkedid)
	// The list of fields in the same sample, which recent versions of Asterisk have.
	ofEventList = newLayout(celType, ignored, ignored, ignored, celTime, ignored, source, ignored, ignored, ignored, celExten, context, channel, celApp, data, ignored, accountCode, uniqueid, linkedid)
	// The table cel, as FreePBX has it.
	ofEventTable = newLayout(ignored, celType, celTime, ignored, source, ignored, ignored, ignored, celExten, context, channel, celApp, data, ignored, accountCode, uniqueid, linkedid)
)

// headless finds the layout of a row without names; nil if there is none that fits.
func headless(fields [][]byte, clock *clock) *layout {
	for _, l := range []*layout{ofCSV, ofCustom, ofTable, ofEvents, ofEventList, ofEventTable} {
		if l.fits(fields, clock) {
			return l
		}
	}
	return nil
}

// fits reports whether a row can have these columns: what matters is where its times are,
// and its durations.
func (l *layout) fits(fields [][]byte, clock *clock) bool {
	if len(fields) <= l.last {
		return false
	}
	if l.events {
		_, ok := clock.time(l.field(fields, celTime))
		return ok && isCELType(l.field(fields, celType))
	}
	if _, ok := l.started(fields, clock); !ok {
		return false
	}
	if l.at[end] >= 0 {
		_, ok := clock.time(l.field(fields, end))
		return ok
	}
	_, ok := seconds(l.field(fields, duration))
	return ok
}

// field is a column of a row; nil if it has none, or NULL.
func (l *layout) field(fields [][]byte, c column) []byte {
	n := l.at[c]
	if n < 0 || n >= len(fields) {
		return nil
	}
	if f := fields[n]; string(f) != "NULL" && string(f) != `\N` {
		return f
	}
	return nil
}

// named finds the columns by their names; nil if a row is not one of names.
func named(fields [][]byte) *layout {
	if len(fields) < 4 {
		return nil
	}
	list, known := make([]column, len(fields)), 0
	var seen [columns]bool
	for i, f := range fields {
		c, ok := columnOf(f)
		if !ok || seen[c] {
			list[i] = ignored
			continue
		}
		list[i], seen[c] = c, true
		known++
	}
	switch {
	case known < 4:
		return nil
	case seen[celType]:
		if !seen[celTime] || !seen[channel] || !seen[linkedid] {
			return nil
		}
	case !seen[start] || !seen[end] && !seen[duration] || !seen[channel] && (!seen[source] || !seen[dialled]):
		return nil
	}
	return newLayout(list...)
}

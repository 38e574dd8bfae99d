package ledger

import (
	"cmp"
	"database/sql"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText bounds every text in the ledger, in bytes: much of it was written by
// strangers.
const maxText = 1024

// text makes s fit to be stored: valid UTF-8 within the bound.
func text(s string) string {
	if len(s) > maxText {
		end := maxText
		for end > maxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end-- // do not cut within a rune
		}
		s = s[:end]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// moment cuts t to what a column holds, so that a row reads the same before and
// after it is written.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// millis is t as a column that may be NULL: the zero time is.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// fromMillis is the reverse.
func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// address is a as a column; the invalid one is empty.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// fromAddress is the reverse; what is no address becomes the invalid one.
func fromAddress(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// sortedKeys returns m's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

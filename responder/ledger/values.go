package ledger

import (
	"database/sql"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText bounds the texts in the ledger, in bytes: most come from the network.
const maxText = 1024

// text makes s fit to be stored: valid UTF-8 within maxText.
func text[S ~string](s S) S { return bounded(s, maxText) }

// bounded makes s valid UTF-8 of at most so many bytes, and cuts no character in
// half.
func bounded[S ~string](s S, most int) S {
	if len(s) > most {
		end := most
		for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	return S(strings.ToValidUTF8(string(s), "\uFFFD"))
}

// moment truncates t to the millisecond that a column holds.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// millis is t as a column that is NULL for the zero time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// fromMillis reads a column that millis wrote.
func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// address is a as a column, empty for the zero Addr.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// fromAddress reads a column that address wrote; anything else is the zero Addr.
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

// sqlLimit is a LIMIT; 0 means none.
func sqlLimit(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

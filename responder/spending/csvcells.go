package spending

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxRate is the dearest rate that can be right: a minute by satellite costs ten.
const maxRate = 1000 * unit

// maxRange is how many prefixes a range such as 447400-447499 may stand for.
const maxRange = 1000

// maxInCell bounds the prefixes of one row.
const maxInCell = 10_000

// parsePrefixes reads a cell with one prefix or several: "44", "+44 20", "0044",
// "355, 3554", "2520-2529", "4477-79", "1-264". country is put in front of each, if it is
// not empty.
func parsePrefixes(country, cell string) (list []string, err error) {
	if country != "" {
		if country, err = parsePrefix(country); err != nil || cell == "" {
			return []string{country}, err
		}
	}
	if cell == "" {
		return nil, errors.New("no prefix")
	}
	for part := range strings.FieldsFuncSeq(cell, func(r rune) bool { return r == ',' || r == ';' || r == '|' || r == '\n' }) {
		part = strings.NewReplacer(" ", "", "\u00a0", "", "(", "", ")", "", "\u2013", "-", "'", "").Replace(part)
		if part == "" {
			continue
		}
		if list, err = appendPrefixes(list, country, part); err != nil {
			return nil, err
		}
		if len(list) > maxInCell {
			return nil, fmt.Errorf("more than %d prefixes in one row", maxInCell)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no prefix")
	}
	return list, nil
}

// maxCountryCode is how many digits a country code has at most: "352-621" is one, and what
// follows it.
const maxCountryCode = 3

// appendPrefixes reads one prefix, a range, or a country code and what follows it.
func appendPrefixes(list []string, country, part string) ([]string, error) {
	from, to, two := strings.Cut(part, "-")
	code := country == "" && len(strings.TrimPrefix(strings.TrimPrefix(from, "+"), "00")) <= maxCountryCode
	switch {
	case two && code && len(from) == len(to):
		return nil, fmt.Errorf("prefixes %s: a range, or a country code and what follows it? Write %s or each prefix", quoted(part), from+to)
	case two && len(to) < len(from) && !code:
		to = from[:len(from)-len(to)] + to
		fallthrough
	case two && len(to) == len(from):
		return appendRange(list, country+from, country+to)
	case two && !code:
		return nil, fmt.Errorf("prefixes %s: want a range such as 4477-4479", quoted(part))
	}
	p, err := parsePrefix(country + from + to)
	return append(list, p), err
}

func parsePrefix(s string) (string, error) {
	digits := strings.TrimPrefix(s, "+")
	if digits == s {
		digits = strings.TrimPrefix(digits, "00")
	}
	if digits == "" || len(digits) > maxPrefix || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' {
		return "", fmt.Errorf("prefix %s: want up to %d digits in international form, such as 44", quoted(s), maxPrefix)
	}
	return digits, nil
}

func appendRange(list []string, from, to string) ([]string, error) {
	first, err := parsePrefix(from)
	if err != nil {
		return nil, err
	}
	last, err := parsePrefix(to)
	if err != nil {
		return nil, err
	}
	a, b := prefixKey(first), prefixKey(last)
	if len(first) != len(last) || b < a || b-a >= maxRange {
		return nil, fmt.Errorf("prefixes %s-%s: want a range of at most %d, the lower one first", quoted(from), quoted(to), maxRange)
	}
	for key := a; key <= b; key++ {
		list = append(list, keyDigits(key))
	}
	return list, nil
}

// parseMoney reads an amount: "0.0123", "0,0123", "1.234,50", "€ 0.12".
func parseMoney(cell string) (Money, error) {
	n, err := parseAmount(cell)
	return Money(n / 1000), err
}

// parseAmount reads an amount in billionths: a rate for a second needs them.
func parseAmount(cell string) (int64, error) {
	text := strings.TrimSpace(strings.Trim(cell, "€$£¥ \u00a0ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
	whole, fraction := text, ""
	if i := strings.LastIndexAny(text, ".,"); i >= 0 {
		whole, fraction = text[:i], text[i+1:]
		other := ","
		if text[i] == ',' {
			other = "."
		}
		whole = strings.ReplaceAll(whole, other, "")
	}
	switch {
	case cell == "":
		return 0, errors.New("is missing")
	case strings.HasPrefix(text, "-"):
		return 0, fmt.Errorf("%s: negative", quoted(cell))
	case whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" || len(whole) > 9 || len(fraction) > 30:
		return 0, fmt.Errorf("%s: want an amount such as 0.0123", quoted(cell))
	}
	n, _ := strconv.ParseInt("0"+whole, 10, 64) // digits, few of them
	f, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return n*1e9 + f, nil
}

// parseIncrement reads the seconds that are billed at least, and then at a time: "60/60",
// "1+1", "30-6", "60 sec", or one number for both.
func parseIncrement(cell string) (first, step uint16, err error) {
	text := strings.NewReplacer(" ", "", "+", "/", "-", "/", ":", "/", "seconds", "", "seconde", "", "secondes", "", "segundos", "", "sekunden", "", "sek", "", "secs", "", "sec", "", "seg", "", "s", "", ".", "").Replace(strings.ToLower(cell))
	a, b, two := strings.Cut(text, "/")
	if !two {
		b = a
	}
	x, errX := strconv.ParseUint(a, 10, 16)
	y, errY := strconv.ParseUint(b, 10, 16)
	if errX != nil || errY != nil || x > 3600 || y > 3600 {
		return 0, 0, fmt.Errorf("increment %s: want seconds such as 60/60 or 1/1", quoted(cell))
	}
	return uint16(max(x, 1)), uint16(max(y, 1)), nil
}

// quoted is a cell in an error: short, and safe to show.
func quoted(s string) string {
	if len(s) > 40 {
		s = s[:40]
	}
	return strconv.QuoteToASCII(s)
}

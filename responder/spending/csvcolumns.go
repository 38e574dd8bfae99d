package spending

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// columns says which column of a file holds what; -1 is none.
type columns struct {
	country      int // the country's code, if prefix holds what follows it
	prefix, rate int
	fee, name    int
	// increment holds the seconds that are billed at a time, or both numbers; first those
	// that are billed at least, if they are in a column of their own.
	first, increment int
	cents            bool // the rate is in hundredths
	perSecond        bool // and for a second
}

// noColumns has found nothing yet.
var noColumns = columns{-1, -1, -1, -1, -1, -1, -1, false, false}

// Words by which columns are found, as plain makes them of names. The first that fits
// counts.
var (
	countryWords   = []string{"countrycode", "countrydialcode", "countryprefix", "cc", "landesvorwahl", "landervorwahl", "codepays", "indicatifpays", "codigopais", "codigodepais", "prefijopais"}
	areaWords      = []string{"areacode", "citycode", "regioncode", "ndc", "ortsvorwahl", "ortsnetz", "codigodearea", "codigoarea", "indicatifregional", "codezone"}
	prefixWords    = []string{"prefix", "dialcode", "dialingcode", "diallingcode", "areacode", "citycode", "breakout", "vorwahl", "indicati", "prefijo", "prefisso", "codigo", "digits", "e164", "rufnummer", "code"}
	rateWords      = []string{"newrate", "newprice", "rateperminute", "priceperminute", "perminute", "permin", "minut", "/min", "rate", "price", "tariff", "cost", "charge", "preis", "entgelt", "tarif", "prix", "precio", "prezzo", "preco"}
	feeWords       = []string{"connectionfee", "connectfee", "connectioncharge", "setup", "connect", "connexion", "conexion", "establecimiento", "verbindung", "percall", "/call", "proanruf", "jeanruf", "parappel", "/appel", "porllamada", "fee", "surcharge"}
	firstWords     = []string{"firstincrement", "firstinterval", "initial", "minimumduration", "minduration", "minlength", "minimumtime", "mintime", "mindestdauer", "erstertakt"}
	incrementWords = []string{"increment", "interval", "subsequent", "billing", "takt", "rounding", "abrechnung", "facturation", "facturacion", "pulse", "palier"}
	nameWords      = []string{"destination", "description", "destino", "name", "country", "zone", "ziel", "land", "pays", "pais", "area", "region"}
)

// isoWords are in the names of columns with letters instead of digits, and dateWords in those
// of days.
var (
	isoWords  = []string{"iso", "alpha"}
	dateWords = []string{"date", "datum", "fecha", "valid", "effective", "gultig"}
)

// plain makes a name comparable: in lower case, without accents, spaces and dots.
func plain(name string) string {
	name = strings.NewReplacer("ä", "a", "ö", "o", "ü", "u", "é", "e", "è", "e", "ê", "e", "à", "a", "á", "a", "í", "i", "ó", "o", "ú", "u", "ç", "c", "ñ", "n", "ã", "a").Replace(strings.ToLower(name))
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" _-.\t\u00a0\n", r) }), "")
}

// find finds the columns by a row, which may be that of their names. header says whether it
// is. It is an error if the row holds neither names nor rates.
func (c *columns) find(row []string) (header bool, err error) {
	*c = noColumns
	if !slices.ContainsFunc(row, isPrefix) {
		names := make([]string, len(row))
		for i, cell := range row {
			names[i] = plain(cell)
		}
		return true, c.byName(names)
	}
	return false, c.byContent(row)
}

// isPrefix says whether a cell holds prefixes: one row of names has none.
func isPrefix(cell string) bool {
	_, err := parsePrefixes("", strings.TrimSpace(cell))
	return err == nil
}

// errNoColumns says that a row does not name what is needed.
var errNoColumns = errors.New(`no columns of prefixes and rates: want a row of names such as "prefix;destination;rate"`)

// byName finds the columns by their names.
func (c *columns) byName(names []string) error {
	var used []int
	has := func(name string, words []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	find := func(words, but []string) int {
		for _, word := range words {
			for i, name := range names {
				if strings.Contains(name, word) && !has(name, but) && !slices.Contains(used, i) {
					used = append(used, i)
					return i
				}
			}
		}
		return -1
	}
	money := []string{"charge", "fee", "price", "rate", "preis", "prix", "precio", "cost"}
	perMinute := []string{"minut", "/min", "permin"}
	for i, name := range names {
		if has(name, dateWords) {
			used = append(used, i)
		}
	}
	// Those of increments before those of the rate and the fee: "min billing", "connect increment".
	c.first = find(firstWords, money)
	c.increment = find(incrementWords, nil)
	if c.country = find(countryWords, isoWords); c.country >= 0 {
		if c.prefix = find(areaWords, isoWords); c.prefix < 0 {
			used = slices.DeleteFunc(used, func(i int) bool { return i == c.country })
			c.country = -1
		}
	}
	if c.prefix < 0 {
		c.prefix = find(prefixWords, append([]string{"zip"}, isoWords...))
	}
	c.fee = find(feeWords, perMinute)
	c.rate = find(rateWords, nil)
	c.name = find(nameWords, append([]string{"code"}, isoWords...))
	if c.prefix < 0 || c.rate < 0 {
		return errNoColumns
	}
	if c.first >= 0 && c.increment < 0 {
		c.first, c.increment = -1, c.first
	}
	unit := names[c.rate]
	c.cents = has(unit, []string{"cent", "ct/", "pence", "(ct)", "ctpro"})
	c.perSecond = has(unit, []string{"persec", "/sec", "prosek", "/sek", "parsec", "porseg", "/seg"}) || strings.HasSuffix(unit, "/s")
	return nil
}

// byContent finds the columns by what the first row holds.
func (c *columns) byContent(row []string) error {
	var numbers []int
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		_, notMoney := parseMoney(cell)
		_, _, notIncrement := parseIncrement(cell)
		switch {
		case c.prefix < 0 && isPrefix(cell):
			c.prefix = i
		case notIncrement == nil && strings.ContainsAny(cell, "/+"):
			c.increment = i
		case notMoney == nil:
			numbers = append(numbers, i)
		case cell != "" && c.name < 0:
			c.name = i
		}
	}
	if len(numbers) != 1 {
		return fmt.Errorf("%d columns may hold the rate: put a row of names such as \"prefix;destination;rate\" first", len(numbers))
	}
	c.rate = numbers[0]
	return nil
}

// words says which column was taken for what.
func (c *columns) words(row []string, header bool) (list []string) {
	say := func(what string, n int) {
		if n < 0 {
			return
		}
		name := fmt.Sprintf("column %d", n+1)
		if header {
			name = fmt.Sprintf("%s (%q)", name, nameOf(row[n]))
		}
		list = append(list, what+": "+name)
	}
	prefix := "prefix"
	if c.country >= 0 {
		say("country code", c.country)
		prefix = "what follows it"
	}
	say(prefix, c.prefix)
	say("rate", c.rate)
	say("fee", c.fee)
	say("first increment", c.first)
	say("increment", c.increment)
	say("destination", c.name)
	if c.cents {
		list = append(list, "the rate is in hundredths of the currency")
	}
	if c.perSecond {
		list = append(list, "the rate is for a second")
	}
	return list
}

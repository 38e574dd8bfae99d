package config

import (
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// meant asks whether a value should have been one of these, to be appended to what is wrong
// with it; "" if none is close.
func meant[T ~string](value string, among ...T) string {
	value = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(value)), "_", "-")
	best, distance := "", max(2, len(value)/3+1)
	for _, one := range among {
		if d := EditDistance(value, strings.ToLower(string(one))); d < distance {
			best, distance = string(one), d
		}
	}
	if best == "" {
		return ""
	}
	return didYouMean(best)
}

func didYouMean(what string) string { return fmt.Sprintf("; did you mean %q?", what) }

// meantCountry is meant for a country: its code in lower case, or its English name.
func (p *parser) meantCountry(value string) string {
	code := strings.ToUpper(strings.TrimSpace(value))
	switch {
	case code == "UK" || code == "ENGLAND":
		return didYouMean("GB")
	case len(code) == 2 && phonenumbers.GetCountryCodeForRegion(code) > 0:
		return didYouMean(code)
	case len(code) < 4 || p.env.CountryName == nil:
		return ""
	}
	best, distance := "", 3
	for region := range phonenumbers.GetSupportedRegions() {
		d := EditDistance(code, strings.ToUpper(p.env.CountryName(region)))
		if d < distance || d == distance && best != "" && region < best {
			best, distance = region, d
		}
	}
	if best == "" {
		return ""
	}
	return didYouMean(best)
}

// meantZone is meant for a time zone of which only the city was written.
func meantZone(value string) string {
	city := strings.ReplaceAll(strings.TrimSpace(value), " ", "_")
	for _, area := range []string{"Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Indian"} {
		if zone := area + "/" + city; isZone(zone) {
			return didYouMean(zone)
		}
	}
	return ""
}

package numbers_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// matrixCountries are the sites of the matrix, with the international prefixes that their
// carriers take: libphonenumber has them as one regular expression.
var matrixCountries = map[string][]string{
	"AE": {"00"}, "AR": {"00"}, "AT": {"00"}, "AU": {"0011", "0014"}, "BE": {"00"},
	"BR": {"0015", "0021", "0031"}, "CA": {"011"}, "CH": {"00"}, "CL": {"00", "1230"}, "CN": {"00"},
	"CO": {"009", "005", "00414"}, "CZ": {"00"}, "DE": {"00"}, "DK": {"00"}, "EG": {"00"},
	"ES": {"00"}, "FI": {"00", "990", "99533"}, "FR": {"00"}, "GB": {"00"}, "GR": {"00"},
	"HK": {"001", "0059"}, "HU": {"00"}, "ID": {"008", "009"}, "IL": {"00", "012"}, "IN": {"00"},
	"IT": {"00"}, "JP": {"010"}, "KE": {"000"}, "KR": {"001", "00700"}, "MX": {"00"},
	"NG": {"009"}, "NL": {"00"}, "NO": {"00"}, "NZ": {"00"}, "PL": {"00"},
	"PT": {"00"}, "RO": {"00"}, "RU": {"810"}, "SE": {"00"}, "SG": {"001", "018"},
	"TH": {"001", "007"}, "TR": {"00"}, "TW": {"002", "019"}, "US": {"011"}, "ZA": {"00"},
}

// matrixLines are the outside lines that the sites of the matrix have configured.
var matrixLines = [][]string{nil, {"9"}, {"0"}}

// The race detector makes everything ten times as slow, and has nothing to find in most of
// the matrix.
func init() {
	if raceDetector {
		maps.DeleteFunc(matrixCountries, func(country string, _ []string) bool {
			return !slices.Contains([]string{"BR", "DE", "GB", "US"}, country)
		})
		matrixLines = matrixLines[:1]
	}
}

// matrixForms are ways to dial a foreign number, given the country's prefix.
var matrixForms = []struct {
	name string
	dial func(prefix, number string) string
}{
	{"prefix", func(p, n string) string { return p + n }},
	{"+", func(_, n string) string { return "+" + n }},
	{"00", func(_, n string) string { return "00" + n }},
	{"011", func(_, n string) string { return "011" + n }},
	{"9 prefix", func(p, n string) string { return "9" + p + n }},
	{"0 prefix", func(p, n string) string { return "0" + p + n }},
	{"8 prefix", func(p, n string) string { return "8" + p + n }},
	{"9 00", func(_, n string) string { return "900" + n }},
	{"9 011", func(_, n string) string { return "9011" + n }},
	{"bare", func(_, n string) string { return n }},
	{"77 prefix", func(p, n string) string { return "77" + p + n }},
	{"77 bare", func(_, n string) string { return "77" + n }},
	{"*31# prefix", func(p, n string) string { return "*31#" + p + n }},
	{"*67 prefix", func(p, n string) string { return "*67" + p + n }},
	{"9* prefix", func(p, n string) string { return "9*" + p + n }},
	{"9w prefix", func(p, n string) string { return "9w" + p + n }},
	{"prefix #", func(p, n string) string { return p + n + "#" }},
	{"prefix ,", func(p, n string) string { return p + n + ",1234" }},
	{"URI", func(_, n string) string { return "sip:+" + n + ";x=1@carrier.example:5060;user=phone" }},
	{"tel", func(_, n string) string { return "tel:+" + n }},
	{"Dial", func(p, n string) string { return "PJSIP/carrier7/sip:" + p + n + "@192.0.2.1:5060" }},
	{"separators", func(p, n string) string { return p + " (" + n[:3] + ") " + n[3:5] + "-" + n[5:] }},
	{"%2B", func(_, n string) string { return "%2B" + n }},
	{"full width", func(p, n string) string { return fullWidth(p + n) }},
	{"+00", func(_, n string) string { return "+00" + n }},
	{"+ prefix", func(p, n string) string { return "+" + p + n }},
	{"0000", func(_, n string) string { return "0000" + n }},
	{"9 9 prefix", func(p, n string) string { return "99" + p + n }},
	{"1 011", func(_, n string) string { return "1011" + n }},
	{"10-10-288", func(p, n string) string { return "1010288" + p + n }},
	{"01017", func(p, n string) string { return "01017" + p + n }},
}

func fullWidth(s string) string {
	return strings.Map(func(c rune) rune { return c + 0xfee0 }, s)
}

// matrixDestinations are numbers that cost, by how bad they are.
var matrixDestinations = func() map[string]int {
	list := map[string]int{
		"870773111632": 4, "881612345678": 4, "88213123456": 4, "882162123456": 4, "88213123456789": 4, "883120123456": 4, "979123456789": 4,
	}
	for _, n := range []struct {
		region  string
		kind    phonenumbers.PhoneNumberType
		badness int
	}{
		{"FR", phonenumbers.PREMIUM_RATE, 4},
		{"US", phonenumbers.PREMIUM_RATE, 4},
		{"CU", phonenumbers.FIXED_LINE, 2},
		{"SO", phonenumbers.MOBILE, 2},
		{"LV", phonenumbers.MOBILE, 2},
		{"SL", phonenumbers.MOBILE, 2},
		{"JM", phonenumbers.MOBILE, 2},
		{"NU", phonenumbers.FIXED_LINE, 2},
		{"LT", phonenumbers.MOBILE, 2},
		{"ZW", phonenumbers.MOBILE, 2},
		{"GM", phonenumbers.FIXED_LINE, 2},
		{"MV", phonenumbers.MOBILE, 2},
	} {
		e164 := phonenumbers.Format(phonenumbers.GetExampleNumberForType(n.region, n.kind), phonenumbers.E164)
		list[e164[1:]] = n.badness
	}
	return list
}()

func badness(n *numbers.Number) int {
	switch {
	case n.Type == "premium" || n.Type == "satellite":
		return 4
	case n.Type != "":
		return 3
	case n.Foreign:
		return 2
	}
	return 0
}

// A number abroad that costs is seen in whatever form a dialplan may send out.
func TestMatrixAbroad(t *testing.T) {
	for _, outside := range matrixLines {
		t.Run(fmt.Sprintf("outside line %v", outside), func(t *testing.T) { matrixAbroad(t, outside) })
	}
}

func matrixAbroad(t *testing.T, outside []string) {
	total, excused := 0, map[string]int{}
	for _, country := range slices.Sorted(maps.Keys(matrixCountries)) {
		prefixes := matrixCountries[country]
		d := numbers.Dialling{Country: country, Internal: 6, Outside: outside}
		if len(outside) > 0 {
			prefixes = prefixes[:1]
		}
		for number, want := range matrixDestinations {
			for i, prefix := range prefixes {
				for f, form := range matrixForms {
					if len(outside) > 0 && f%3 > 0 {
						continue
					}
					dialled := form.dial(prefix, number)
					if i > 0 && form.dial("", number) == form.dial(prefix, number) {
						continue
					}
					total++
					n, sent := d.Read(dialled), d.ReadSent(dialled)
					if n.External && badness(&n) >= want && badness(&sent) >= want {
						continue
					}
					if slices.Equal(outside, []string{"0"}) && badness(&sent) >= want {
						excused[untilSent]++
						continue
					}
					if why := excuse(country, dialled, form.name, number); why != "" {
						excused[why]++
						continue
					}
					t.Errorf("%s: %s (%s): %+v", country, dialled, form.name, n)
				}
			}
		}
	}
	missed := 0
	for why, n := range excused {
		if why != untilSent {
			missed += n
		}
	}
	t.Logf("%d strings, %d not seen: %v", total, missed, excused)
	if missed > total/50 {
		t.Error("these are too many")
	}
}

// untilSent excuses a string that is read as abroad only on its way to the trunk.
const untilSent = "a national number behind the outside line"

// excuse says why a string may as well be a call inside the country.
func excuse(country, dialled, form, number string) string {
	code := int32(phonenumbers.GetCountryCodeForRegion(country))
	if strings.HasPrefix(dialled, "+0") {
		dialled = dialled[1:]
	}
	for _, line := range []string{"", "9", "8", "0", "+0", "00", "000", "1", "77"} {
		rest, ok := strings.CutPrefix(dialled, line)
		if p, err := phonenumbers.Parse(rest, country); ok && err == nil && phonenumbers.IsValidNumber(p) && p.GetCountryCode() == code {
			return form + ": a national number"
		}
	}
	p, err := phonenumbers.Parse(dialled, country)
	if err != nil {
		return ""
	}
	switch why := phonenumbers.IsPossibleNumberWithReason(p); {
	case why == phonenumbers.IS_POSSIBLE_LOCAL_ONLY, why == phonenumbers.IS_POSSIBLE && len(dialled) < 10,
		form == "bare" && len(number) < 9, form == "77 bare" && len(number) < 10:
		return form + ": a local number"
	case why == phonenumbers.IS_POSSIBLE && (code == 1 || phonenumbers.GetNddPrefixForRegion(country, true) == ""):
		return form + ": perhaps a new number of a country without national prefix"
	}
	return ""
}

// variations is how many numbers of each type the matrix has.
const variations = 12

// ordinary are types of numbers that people call every day.
var ordinary = []phonenumbers.PhoneNumberType{
	phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE, phonenumbers.VOIP, phonenumbers.UAN,
}

// domesticForms are the ways to dial a domestic number.
func domesticForms(p *phonenumbers.PhoneNumber, prefix string) map[string]string {
	national := phonenumbers.Format(p, phonenumbers.NATIONAL)
	digits := phonenumbers.NormalizeDigitsOnly(national)
	e164 := phonenumbers.Format(p, phonenumbers.E164)
	nsn := phonenumbers.GetNationalSignificantNumber(p)
	forms := map[string]string{
		"national": digits, "as written": national, "9": "9" + digits, "8": "8" + digits, "0": "0" + digits,
		"E.164": e164, "prefix": prefix + e164[1:], "bare": e164[1:], "9 prefix": "9" + prefix + e164[1:],
		"URI": "sip:" + digits + "@carrier.example", "*67": "*67" + digits, "#": digits + "#",
		"nsn": nsn,
	}
	if n := phonenumbers.GetLengthOfGeographicalAreaCode(p); n > 0 && nsn[n] > '1' {
		region := phonenumbers.GetRegionCodeForNumber(p)
		if q, err := phonenumbers.Parse(nsn[n:], region); err == nil && !phonenumbers.IsValidNumber(q) { // 3000 2356 is Brazil's 3000-2356
			forms["local"] = nsn[n:]
		}
	}
	return forms
}

func TestMatrixAtHome(t *testing.T) {
	for _, outside := range matrixLines {
		t.Run(fmt.Sprintf("outside line %v", outside), func(t *testing.T) { matrixAtHome(t, outside) })
	}
}

func matrixAtHome(t *testing.T, outside []string) {
	random := rand.New(rand.NewPCG(1, 2))
	total, zero := 0, 0
	for _, country := range slices.Sorted(maps.Keys(matrixCountries)) {
		prefixes := matrixCountries[country]
		d := numbers.Dialling{Country: country, Internal: 6, Outside: outside}
		for _, kind := range ordinary {
			example := phonenumbers.GetExampleNumberForType(country, kind)
			if example == nil {
				continue
			}
			for i := range variations / (1 + 2*len(outside)) {
				p := example
				if i > 0 {
					p = varied(random, example, country, kind)
				}
				if q, err := phonenumbers.Parse(phonenumbers.Format(p, phonenumbers.NATIONAL), country); err != nil || phonenumbers.Format(q, phonenumbers.E164) != phonenumbers.Format(p, phonenumbers.E164) || len(phonenumbers.GetNationalSignificantNumber(p)) < 7 {
					continue // the library writes it so that it does not read it back
				}
				for form, dialled := range domesticForms(p, prefixes[0]) {
					if strings.HasSuffix(form, "prefix") && (kind == phonenumbers.UAN || slices.Contains(outside, "0")) {
						continue // nobody dials so
					}
					total++
					n := d.Read(dialled)
					if badness(&n) == 0 && (!n.External || len(n.Readings) > 0) {
						continue
					}
					if form == "0" && !slices.Contains(outside, "0") && isAbroad(dialled, country) {
						zero++
						continue
					}
					t.Errorf("%s: %s (%s, type %d) of %s: %+v", country, dialled, form, kind, phonenumbers.Format(p, phonenumbers.E164), n)
				}
			}
		}
	}
	t.Logf("%d strings; behind an outside line 0 that is not configured, %d are numbers abroad", total, zero)
	if zero > total/100 {
		t.Error("these are too many")
	}
}

func isAbroad(dialled, country string) bool {
	p, err := phonenumbers.Parse(dialled, country)
	return err == nil && phonenumbers.IsValidNumber(p) && int(p.GetCountryCode()) != phonenumbers.GetCountryCodeForRegion(country)
}

// varied returns a valid number like another one, with other digits at the end.
func varied(random *rand.Rand, p *phonenumbers.PhoneNumber, country string, kind phonenumbers.PhoneNumberType) *phonenumbers.PhoneNumber {
	nsn := phonenumbers.GetNationalSignificantNumber(p)
	for range 50 {
		keep := 1 + random.IntN(len(nsn)-1)
		b := []byte(nsn[:keep])
		for len(b) < len(nsn) {
			b = append(b, byte('0'+random.IntN(10)))
		}
		q, err := phonenumbers.Parse(fmt.Sprintf("+%d%s", p.GetCountryCode(), b), "ZZ")
		if err == nil && phonenumbers.IsValidNumberForRegion(q, country) && phonenumbers.GetNumberType(q) == phonenumbers.GetNumberType(p) {
			return q
		}
	}
	return p
}

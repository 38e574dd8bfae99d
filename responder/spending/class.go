package spending

import "slices"

// Class is the kind of a costly number. It gives a call its default rate.
type Class uint8

// The classes, the cheapest first. None costs no more than other calls within the
// country, and is not counted.
const (
	None Class = iota
	Personal
	International
	HighRisk // a country that fraudsters prefer
	Premium
	Satellite

	classCount
)

var classNames = [classCount]string{"", "personal", "international", "high-risk", "premium", "satellite"}

// String is the name of the class.
func (c Class) String() string { return classNames[min(c, classCount-1)] }

// highRisk are countries to which public reports of revenue share fraud say that stolen
// accounts call: the traditional ones (Cuba, Somalia, the Baltic states, Sierra Leone,
// Zimbabwe, Guinea, the Gambia, Nauru, São Tomé: XINTEC's and TransNexus' guides), the
// Caribbean and Atlantic countries of the North American plan, which are dialled like national
// numbers (FCC, "One Ring" and 809 scams; not the territories of the United States, which cost
// what other national calls do), and small countries and islands whose numbers, by the test
// numbers that Sahin and Francillon collected (NDSS 2021), are offered for it. Countries that
// many sites do business with are left out, although the same numbers are offered there (since
// 2018 also in Britain, Belgium and Switzerland: Commsrisk). Fraud moves, so the list only sets
// a rate, and where the hard limit applies before anything is learned.
var highRisk = []string{
	"AC", "AF", "AG", "AI", "AL", "AZ", "BA", "BB", "BF", "BI", "BJ", "BM", "BS", "BY", "CD", "CF", "CG", "CK", "CU", "CV",
	"DJ", "DM", "DO", "DZ", "EE", "ER", "ET", "FK", "FM", "GA", "GD", "GM", "GN", "GQ", "GW", "GY", "HT", "IO", "JM", "KI",
	"KM", "KN", "KP", "KY", "LA", "LC", "LI", "LK", "LR", "LS", "LT", "LV", "LY", "MC", "MD", "MG", "MH", "ML", "MM", "MR",
	"MS", "MV", "MW", "NC", "NE", "NF", "NR", "NU", "PF", "PG", "PS", "PW", "RW", "SB", "SC", "SD", "SH", "SL", "SM", "SO",
	"SR", "SS", "ST", "SX", "SY", "SZ", "TA", "TC", "TD", "TG", "TJ", "TK", "TL", "TM", "TN", "TO", "TT", "TV", "UZ", "VC",
	"VG", "VU", "WF", "WS", "YE", "ZM", "ZW",
}

// ClassOf is the class of a number: its country (ISO 3166; "001" for numbers of no
// country), its type as package calls reads it, and whether it is abroad.
func ClassOf(country, kind string, foreign bool) Class {
	switch {
	case kind == "satellite":
		return Satellite
	case kind == "premium":
		return Premium
	case kind == "personal":
		return Personal
	case !foreign:
		return None
	case HighRiskCountry(country):
		return HighRisk
	}
	return International
}

// HighRiskCountry reports whether fraudsters prefer a country (ISO 3166).
func HighRiskCountry(country string) bool { return slices.Contains(highRisk, country) }

// risky says whether the hard limit applies before anything is learned.
func (c Class) risky() bool { return c >= HighRisk }

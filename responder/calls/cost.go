package calls

import "github.com/tollwarden/tollwarden/responder/numbers"

// Cost says in words why a call of an account to a number costs more than others; "" if
// it does not.
func (d *Detector) Cost(account, number string) string {
	l := d.rules.limitsOf(account)
	if n := d.read(l, number); n.External {
		return d.cost(l, &n)
	}
	return ""
}

func (d *Detector) cost(l *Limits, n *numbers.Number) string {
	if _, reason, forbidden := l.Destinations.forbids(n); forbidden {
		return "forbidden (" + numbers.CountryName(reason) + ")"
	}
	switch {
	case n.Type != "":
		return n.Type
	case n.Foreign:
		return "international (" + numbers.CountryName(n.Country) + ")"
	case len(n.Readings) == 0 && d.rules.Dialling.Country != "": // without a country, a local one cannot be read either
		return noNumber
	}
	return ""
}

// noNumber is why a call may cost more that goes to no number of any country.
const noNumber = "no number of any country"

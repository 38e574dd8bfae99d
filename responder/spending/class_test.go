package spending_test

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// classOf is the class of a number abroad, as a site in Germany dials it.
func classOf(e164 string) spending.Class {
	d := numbers.Dialling{Country: "DE", Internal: 4}
	n := d.Read("00" + e164)
	return spending.ClassOf(n.Country, n.Type, n.Foreign)
}

// Where stolen accounts call, a call costs more, and the hard limit applies at once.
func TestWhereFraudIsFrequent(t *testing.T) {
	for name, number := range map[string]string{
		"Cuba": "5371234567", "Somalia": "25261234567", "Sierra Leone": "23276123456", "Guinea": "224620123456", "Gambia": "2203012345",
		"Zimbabwe": "263771234567", "Latvia": "37121234567", "Lithuania": "37061234567", "Estonia": "3725123456", "Maldives": "9607712345",
		"Solomon Islands": "6777421234", "Vanuatu": "6785912345", "East Timor": "67077212345", "Falkland Islands": "50051234", "Ascension": "24740123",
		"Diego Garcia": "2463801234", "St Helena": "29051234", "Nauru": "6745551234", "Sao Tome": "2399812345", "Cook Islands": "68271234",
		"Papua New Guinea": "67570123456", "Tuvalu": "688901234", "Tokelau": "6907290", "Niue": "6838884012", "Norfolk Island": "672381234",
		"Kiribati": "68672012345", "Guinea-Bissau": "245955012345", "Chad": "23563012345", "Burundi": "25779561234", "Comoros": "2693212345",
		"Djibouti": "25377831001", "Mauritania": "22222123456", "Madagascar": "261321234567", "Congo": "242061234567", "Cape Verde": "2389911234",
		"Jamaica": "18762101234", "Dominican Republic": "18092345678", "Bahamas": "12423591234", "Barbados": "12462501234", "Antigua": "12684641234",
		"British Virgin Islands": "12843001234", "Cayman Islands": "13453231234", "Bermuda": "14413701234", "Grenada": "14734031234",
		"Turks and Caicos": "16492311234", "Montserrat": "16644923456", "St Lucia": "17582845678", "Dominica": "17672251234", "Sint Maarten": "17215205678",
		"St Vincent": "17844301234", "Trinidad": "18682911234", "St Kitts": "18697652917", "Anguilla": "12642351234",
		"North Korea": "8501921234567", "Haiti": "50934101234", "Guyana": "5926091234", "San Marino": "37866661212", "Liechtenstein": "423660234567",
	} {
		if c := classOf(number); c != spending.HighRisk {
			t.Errorf("%s: %s, want high-risk", name, c)
		}
	}
	for name, number := range map[string]string{
		"Inmarsat": "870773111632", "Iridium": "881612345678", "Globalstar": "881812345678", "Thuraya": "88216123456", "international networks": "883120123456",
	} {
		if c := classOf(number); c != spending.Satellite {
			t.Errorf("%s: %s, want satellite", name, c)
		}
	}
	for name, number := range map[string]string{"international premium rate": "979123456789", "British premium rate": "449098790879", "American premium rate": "19002345678"} {
		if c := classOf(number); c != spending.Premium {
			t.Errorf("%s: %s, want premium", name, c)
		}
	}
}

// Whom a business calls every day is no cause for alarm by itself.
func TestWhereBusinessIsDone(t *testing.T) {
	for name, number := range map[string]string{
		"United Kingdom": "447400123456", "United States": "12015550123", "Canada": "14165550123", "Poland": "48512345678", "Turkey": "905012345678",
		"India": "918123456789", "China": "8613123456789", "Japan": "819012345678", "France": "33612345678", "Spain": "34612345678", "Italy": "393123456789",
		"Netherlands": "31612345678", "Belgium": "32470123456", "Switzerland": "41781234567", "Austria": "43664123456", "Sweden": "46701234567",
		"Denmark": "4532123456", "Norway": "4740612345", "Finland": "358412345678", "Ireland": "353850123456", "Portugal": "351912345678",
		"Czechia": "420601123456", "Hungary": "36201234567", "Romania": "40712034567", "Bulgaria": "35943012345", "Greece": "306912345678",
		"Ukraine": "380501234567", "Israel": "972502345678", "Emirates": "971501234567", "Saudi Arabia": "966512345678", "Brazil": "5511961234567",
		"Mexico": "522221234567", "Argentina": "5491123456789", "Australia": "61412345678", "New Zealand": "64211234567", "South Africa": "27711234567",
		"Singapore": "6581234567", "Hong Kong": "85251234567", "South Korea": "821020001234", "Puerto Rico": "17872345678", "Philippines": "639051234567",
		"Morocco": "212650123456", "Egypt": "201001234567", "Slovakia": "421912123456", "Croatia": "385921234567", "Serbia": "381601234567",
	} {
		if c := classOf(number); c != spending.International {
			t.Errorf("%s: %s, want international", name, c)
		}
	}
	if c := classOf("4930123456"); c != spending.None {
		t.Errorf("within the country: %s", c)
	}
}

package spending_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/spending"
)

// Lists in the forms in which carriers of different countries send them.
func TestCarriersLists(t *testing.T) {
	type price struct {
		number string
		length time.Duration
		want   string // in thousandths of the currency
	}
	for name, tc := range map[string]struct {
		text    string
		prices  []price
		skipped int
		example string
	}{
		"German, from Excel": {
			"\xef\xbb\xbf\"L\u00e4nderkennung\";\"Ziel\";\"Vorwahl\";\"Verbindungsentgelt (EUR)\";\"Preis/Minute netto\";\"Taktung\"\r\n" +
				"DE;\"Deutschland; Festnetz\";0049;0,00;\"0,0090\";60/60\r\nGB;Gro\u00dfbritannien Mobil;\"4477,4478\";0,05;\"0,1990\";30/6\r\n",
			[]price{{"+4930123456", 61 * time.Second, "18"}, {"+447812345678", 31 * time.Second, "169"}},
			0, "",
		},
		"German, Windows-1252, with cents": {
			"L\xe4ndervorwahl;Land;ct/Min.\n41;Schweiz;1,9\n43;\xd6sterreich;2,5\n", []price{{"+43123456", time.Minute, "25"}}, 0, "",
		},
		"Spanish": {
			"Destino;C\u00f3digo;Precio por minuto;Establecimiento de llamada;Facturaci\u00f3n (seg)\nCuba;53;0,85;0,10;1/1\nCuba m\u00f3vil;535;0,90;0,10;1/1\n",
			[]price{{"+5351234567", 30 * time.Second, "550"}},
			0, "",
		},
		"French": {
			"Pays;Indicatif;Prix \u00e0 la minute (\u20ac HT);Frais de connexion;Palier de facturation\nMaldives;960;1,20 \u20ac;0,05 \u20ac;60-60\n",
			[]price{{"+9607712345", 10 * time.Second, "1250"}},
			0, "",
		},
		"Italian": {"Paese;Prefisso;Prezzo al minuto\nSomalia;+252;0,70\n", []price{{"+25261234567", time.Minute, "700"}}, 0, ""},
		"prefixes in one quoted cell": {
			"ISO,Country,Description,Price / min,Price / call,Prefixes\nGB,United Kingdom,\"United Kingdom, Mobile\",0.0300,0,\"4474, 4475,4477-4479\"\n",
			[]price{{"+447812345678", time.Minute, "30"}, {"+447412345678", time.Minute, "30"}},
			0, "",
		},
		"for each second": {"Code,Destination,Rate/sec,Increment\n881,Iridium,0.133333333,1/1\n", []price{{"+881612345678", time.Minute, "8000"}}, 0, ""},
		"first and next increment apart": {
			"Dial Code,Dest Name,Effective Date,Min Length (sec),Increment (sec),Rate USD\n44,UK,2026-01-01,30,6,$0.0600\n",
			[]price{{"+442079460001", 31 * time.Second, "36"}},
			0, "",
		},
		"country code and area codes apart": {
			"Country,Country Code,Area Code,Rate\nUK,44,,0.01\nUK mobile,44,\"74-75, 77-79\",0.10\nRussia,7,\"495,499\",0.02\nKazakhstan,7,7,0.20\n",
			[]price{{"+442079460001", time.Minute, "10"}, {"+447912345678", time.Minute, "100"}, {"+74951234567", time.Minute, "20"}, {"+77012345678", time.Minute, "200"}},
			0, "",
		},
		"country code beside whole prefixes": {
			"Country,Country Code,Area Code,Rate\nUK,44,44,0.01\nUK mobile,44,\"447\",0.10\n", []price{{"+447912345678", time.Minute, "100"}}, 0, "",
		},
		"title, sections and footnotes": {
			"Rate sheet ACME Telecom,,\nValid from,1 January,\n\nPrefix,Destination,Rate\nEurope,,\n33,France,0.02\nAfrica,,\n252,Somalia,0.80\n,,\nAll rates exclude VAT,,\n",
			[]price{{"+33142000000", time.Minute, "20"}, {"+25261234567", time.Minute, "800"}},
			5, "line 1: \"Rate sheet ACME Telecom\"",
		},
		"Excel names the delimiter":        {"sep=;\r\nPrefix;Rate\r\n33;0,02\r\n", []price{{"+33142000000", time.Minute, "20"}}, 0, ""},
		"lines of an old Mac":              {"Prefix;Rate\r33;0,02\r", []price{{"+33142000000", time.Minute, "20"}}, 0, ""},
		"a range with one end abbreviated": {"Prefix,Rate\n4477-79,0.20\n1-264,0.30\n352-6210,0.40\n", []price{{"+447812345678", time.Minute, "200"}, {"+12642351234", time.Minute, "300"}, {"+352621012345", time.Minute, "400"}}, 0, ""},
		"apostrophes, brackets and dashes": {"Prefix,Rate\n'+44,0.01\n+1 (876),0.30\n4477\u20134479,0.20\n", []price{{"+447812345678", time.Minute, "200"}, {"+18762101234", time.Minute, "300"}}, 0, ""},
		"the new rate beside the old one":  {"Prefix,Destination,Old Rate,New Rate,Change\n33,France,0.01,0.05,Increase\n", []price{{"+33142000000", time.Minute, "50"}}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rates, summary, err := spending.ReadCSV(strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tc.prices {
				rate, _ := rates.Find(p.number)
				if got := (rate.Price(p.length) * 1000).String(); strings.TrimSuffix(got, ".00") != p.want {
					t.Errorf("%s for %s: %s, want %s: %+v, %v", p.number, p.length, got, p.want, rate, summary.Columns)
				}
			}
			if summary.Skipped != tc.skipped || summary.Example != tc.example {
				t.Errorf("%d rows skipped, the first %s", summary.Skipped, summary.Example)
			}
			if again := stored(t, rates); again.Len() != rates.Len() {
				t.Errorf("%d rates became %d", rates.Len(), again.Len())
			}
		})
	}
}

// What can be read in two ways, or holds a prefix without a rate, is refused with its line.
func TestCarriersMistakes(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a range of countries, or a country and its area": {"Prefix,Rate\n352-621,0.10\n", `line 2: prefixes "352-621": a range, or a country code and what follows it? Write 352621`},
		"a prefix without a rate":                         {"Prefix,Rate\n33,n/a\n", `line 2: rate "n/a"`},
		"a rate without a prefix":                         {"Prefix,Rate\n,0.10\n", "line 2: no prefix"},
		"a number as Excel spoils it":                     {"Prefix,Rate\n4.47E+11,0.10\n", `line 2: prefix "4.47E+11"`},
		"letters in place of the country's code":          {"Country Code,Area Code,Rate\nGB,20,0.10\n", `line 2: prefix "GB"`},
		"a title and no names":                            {"Our rates\nFrance,cheap\n", "line 1: no columns of prefixes and rates"},
	} {
		if _, _, err := spending.ReadCSV(strings.NewReader(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

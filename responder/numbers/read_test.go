package numbers_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

func TestRead(t *testing.T) {
	london := numbers.Dialling{Country: "GB", Internal: 6}
	nines := numbers.Dialling{Country: "GB", Outside: []string{"9"}, Internal: 6}
	chicago := numbers.Dialling{Country: "US", Internal: 6}
	unknown := numbers.Dialling{Internal: 6}
	for _, c := range []struct {
		name     string
		dialling numbers.Dialling
		dialled  string
		e164     string
		country  string
		kind     string
	}{
		{"national", london, "02079460001", "+442079460001", "GB", ""},
		{"national with the usual separators", london, "(020) 7946-0001", "+442079460001", "GB", ""},
		{"foreign", london, "0033142685300", "+33142685300", "FR", ""},
		{"foreign with +", london, "+33142685300", "+33142685300", "FR", ""},
		{"foreign, with further digits", london, "00407211000000", "", "RO", ""},
		{"national premium, with further digits", london, "09098790000123", "", "GB", "premium"},
		{"premium abroad, with further digits", chicago, "011449098790000999999", "", "GB", "premium"},
		{"more digits than a number has", london, "0909879000012345678901234567890", "", "GB", "premium"},
		{"outside line", nines, "902079460001", "+442079460001", "GB", ""},
		{"outside line, foreign", nines, "90033142685300", "+33142685300", "FR", ""},
		{"without the outside line", nines, "+33142685300", "+33142685300", "FR", ""},
		{"a prefix that attackers try", london, "90033142685300", "+33142685300", "FR", ""},
		{"011 is Leeds in Britain", london, "01134960000", "+441134960000", "GB", ""},
		{"011 is international in America", chicago, "011442079460001", "+442079460001", "GB", ""},
		{"Jamaica looks national in America", chicago, "18765551234", "+18765551234", "JM", ""},
		{"national premium", london, "09098790000", "+449098790000", "GB", "premium"},
		{"satellite", london, "00881612345678", "+881612345678", "001", "satellite"},
		{"a satellite number that cannot exist", london, "008703123456789123", "", "", ""},
		{"international premium", london, "00979123456789", "+979123456789", "001", "premium"},
		{"shared cost", london, "08431234567", "+448431234567", "GB", "shared-cost"},
		{"Cuba", unknown, "005371234567", "+5371234567", "CU", ""},
		{"Cuba, dialled as in America", unknown, "0115371234567", "+5371234567", "CU", ""},
		{"national without knowing the country", unknown, "02079460001", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := c.dialling.Read(c.dialled)
			if !n.External {
				t.Error("counts as internal")
			}
			if c.kind != "" && n.Type != c.kind || c.e164 != "" && n.E164 != c.e164 || c.country != "" && n.Country != c.country {
				t.Errorf("Read(%s) = %+v", c.dialled, n)
			}
			if c.e164 == "" && c.country == "" && n.Foreign && c.dialling.Country == "" {
				t.Errorf("Read(%s) = %+v, want an unknown number", c.dialled, n)
			}
		})
	}
	for _, inside := range []string{"1001", "*97", "#31#", "999", "alice", "", "s", "600600"} {
		if n := london.Read(inside); n.External {
			t.Errorf("%q counts as external: %+v", inside, n)
		}
	}
}

// Numbers that went out unseen, each in the worst reading.
func TestReadWorst(t *testing.T) {
	for _, c := range []struct {
		country string
		dialled string
		outside string
		want    string // type, or country
	}{
		// With the prefix of most countries where it is not the prefix.
		{country: "US", dialled: "00881631234567", want: "satellite"},
		{country: "AU", dialled: "00881612345678", want: "satellite"},
		{country: "BR", dialled: "00881612345678", want: "satellite"},
		{country: "KR", dialled: "00881612345678", want: "satellite"},
		{country: "CO", dialled: "00881612345678", want: "satellite"},
		{country: "US", dialled: "005371234567", want: "CU"},
		{country: "AU", dialled: "00979123456789", want: "premium"},
		// Behind an outside line that is not configured.
		{country: "US", dialled: "901188213123456", want: "satellite"},
		{country: "US", dialled: "90088213123456", want: "satellite"},
		{country: "GB", dialled: "901188213123456", want: "satellite"},
		{country: "GB", dialled: "90088213123456", want: "satellite"},
		{country: "GB", dialled: "7788213123456", want: "satellite"},
		{country: "GB", dialled: "77881612345678", want: "satellite"},
		{country: "GB", dialled: "770025261234567", want: "SO"},
		{country: "GB", dialled: "77252612345678", want: "SO"},
		// Bare.
		{country: "GB", dialled: "881612345678", want: "satellite"},
		{country: "US", dialled: "881612345678", want: "satellite"},
		{country: "DE", dialled: "881612345678", want: "satellite"},
		{country: "", dialled: "881612345678", want: "satellite"},
		{country: "GB", dialled: "252612345678", want: "SO"},
		{country: "US", dialled: "252612345678", want: "SO"},
		{country: "GB", dialled: "5371234567", want: "CU"},
		// Behind what carriers and dialplans take away.
		{country: "GB", dialled: "+00881612345678", want: "satellite"},
		{country: "GB", dialled: "++881612345678", want: "satellite"},
		{country: "GB", dialled: "0000881612345678", want: "satellite"},
		{country: "US", dialled: "1011881612345678", want: "satellite"},
		{country: "US", dialled: "1010288011881612345678", want: "satellite"},
		{country: "US", dialled: "01881612345678", want: "satellite"}, // operator-assisted
		{country: "US", dialled: "0118816123456789999", want: "satellite"},
		{country: "BR", dialled: "0015881612345678", want: "satellite"},
		{country: "BR", dialled: "0099881612345678", want: "satellite"},
		{country: "AU", dialled: "0011881612345678", want: "satellite"},
		{country: "AU", dialled: "14470011881612345678", want: "satellite"},
		{country: "KR", dialled: "009881612345678", want: "satellite"},
		{country: "FI", dialled: "990881612345678", want: "satellite"},
		{country: "FI", dialled: "99559881612345678", want: "satellite"},
		{country: "HU", dialled: "00881612345678", want: "satellite"},
		{country: "JP", dialled: "0033010881612345678", want: "satellite"},
		{country: "ID", dialled: "01017881612345678", want: "satellite"},
		{country: "RU", dialled: "8~10881612345678", want: "satellite"},
		{country: "MX", dialled: "98881612345678", want: "satellite"},
		{country: "IT", dialled: "00390116837012", want: "IT"},
		{country: "IT", dialled: "0116837012", want: "IT"},
		// As strings.
		{country: "GB", dialled: "%2B881612345678", want: "satellite"},
		{country: "GB", dialled: "%2a31%2300881612345678", want: "satellite"},
		{country: "GB", dialled: "\uff10\uff10\uff18\uff18\uff11\uff16\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", want: "satellite"},
		{country: "GB", dialled: "\u0660\u0660\u0668\u0668\u0661\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", want: "satellite"},
		{country: "GB", dialled: " 00 881 61234 5678", want: "satellite"},
		{country: "GB", dialled: "00881612345678;phone-context=example.org", want: "satellite"},
		{country: "GB", dialled: "612345678;phone-context=+881", want: "satellite"},
		{country: "GB", dialled: "tel:61-234-5678;x=1;Phone-Context=%2B881", want: "satellite"},
		{country: "GB", dialled: "2345678;phone-context=+88161", want: "satellite"},
		{country: "GB", dialled: "PJSIP/carrier/sip:612345678;phone-context=+881@192.0.2.1:5060", want: "satellite"},
		{country: "GB", dialled: "2079460001;phone-context=+44", want: "GB"},
		{country: "GB", dialled: "PJSIP/carrier/\"x\" <SIP:00881612345678@192.0.2.1>", want: "satellite"},
		{country: "GB", dialled: "00881612345678@carrier", want: "satellite"},
		{country: "GB", dialled: "9w00881612345678", want: "satellite"},
		{country: "GB", dialled: "9,,00881612345678", want: "satellite"},
		{country: "GB", dialled: "00881612345678ww1234", want: "satellite"},
		{country: "GB", dialled: "00881612345678#", want: "satellite"},
		{country: "GB", dialled: "SIPS:+881612345678@example.org", want: "satellite"},
		{country: "GB", dialled: "tel:+881-6-1234-5678", want: "satellite"},
		{country: "GB", dialled: "1001&PJSIP/00881612345678@trunk", want: "satellite"},
		{country: "GB", dialled: "trunk/sip:00881612345678@192.0.2.1:5060", want: "satellite"},
		{country: "GB", dialled: "1/00881612345678", want: "satellite"},
		{country: "GB", dialled: "192.0.2.1/00881612345678", want: "satellite"},
		{country: "GB", dialled: "DAHDI/g1/00881612345678", want: "satellite"},
		{country: "GB", dialled: "IAX2/user:secret@192.0.2.1/00881612345678@out", want: "satellite"},
		{country: "GB", dialled: "Local/00881612345678@context/n", want: "satellite"},
		{country: "GB", dialled: "00+881612345678", want: "satellite"},
		{country: "GB", dialled: "callto:00881612345678", want: "satellite"},
		{country: "GB", dialled: "020/7946 0001", want: "GB"},
		{country: "GB", dialled: "*7200881612345678", want: "satellite"},
		{country: "US", dialled: "*82011881612345678", want: "satellite"},
		{country: "DE", dialled: "#31#00881612345678", want: "satellite"},
		{country: "DE", dialled: "**21*00881612345678#", want: "satellite"},
		{country: "US", dialled: "1900CALLNOW", want: "premium"},
		{country: "US", dialled: "1-800-FLOWERS", want: "US"},
		// A domestic number that costs, with more digits than it has.
		{country: "GB", dialled: "909098790879", want: "premium"},
		{country: "GB", dialled: "7709098790879", want: "premium"},
		{country: "GB", dialled: "0909879087912", want: "premium"},
		// Free, though of no country.
		{country: "GB", dialled: "00883510012345678", want: "001"},
		{country: "US", dialled: "01180012345678", want: "001"},
		// The outside line adds; it takes nothing away.
		{country: "GB", outside: "9", dialled: "00881612345678", want: "satellite"},
		{country: "GB", outside: "0", dialled: "00881612345678", want: "satellite"},
		{country: "DE", outside: "0", dialled: "00881612345678", want: "satellite"},
		{country: "DE", outside: "0", dialled: "000881612345678", want: "satellite"},
		{country: "DE", outside: "0", dialled: "0015123456789", want: "DE"}, // 0 0151 23456789
		{country: "GB", outside: "77", dialled: "77881612345678", want: "satellite"},
	} {
		d := numbers.Dialling{Country: c.country, Internal: 6}
		if c.outside != "" {
			d.Outside = []string{c.outside}
		}
		n := d.Read(c.dialled)
		if got := cmp.Or(n.Type, n.Country); got != c.want || !n.External {
			t.Errorf("%q from %s is %q, want %q: %+v", c.dialled, c.country, got, c.want, n)
		}
		if (c.want == c.country || c.want == "001") && n.Foreign {
			t.Errorf("%q from %s is foreign: %+v", c.dialled, c.country, n)
		}
	}
}

// A country code that nobody has is no number of the site's country.
func TestNoNumber(t *testing.T) {
	d := numbers.Dialling{Country: "GB", Internal: 6}
	for _, s := range []string{"0099912345678", "+99912345678"} {
		if n := d.Read(s); !n.External || len(n.Readings) > 0 {
			t.Errorf("%s: %+v", s, n)
		}
	}
}

// What is sent to a trunk is neither internal nor behind an outside line.
func TestReadSent(t *testing.T) {
	d := numbers.Dialling{Country: "DE", Outside: []string{"0"}, Internal: 6}
	if n := d.ReadSent("0015123456789"); n.Country != "US" {
		t.Errorf("sent as a number abroad: %+v", n)
	}
	if n := d.ReadSent("015123456789"); n.Country != "DE" || n.Foreign {
		t.Errorf("sent without the outside line: %+v", n)
	}
	if n := d.ReadSent("11833"); !n.External {
		t.Errorf("a short number: %+v", n)
	}
	if n := d.ReadSent("alice"); n.External {
		t.Errorf("a name: %+v", n)
	}
}

// A number that is internal by its length has the readings of a valid number.
func TestInternalNumbersAreRead(t *testing.T) {
	d := numbers.Dialling{Country: "US", Internal: 10}
	if n := d.Read("9002345678"); n.External || n.Type != "premium" {
		t.Errorf("premium: %+v", n)
	}
	if n := d.Read("1234567890"); n.External || len(n.Readings) > 0 {
		t.Errorf("an extension of ten digits: %+v", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"00442079460001", "+", "9", "x\r\nPriority: 1", "٣٤٥٦٧٨٩٠", "0000000000000000000", "*31#0033140205050", "%", "%2", "%23%2",
		"sip:+881612345678@host;x=1", "112", "9112", "112;phone-context=x", "1&2&00881612345678", "++", "+0+0", "1800FLOWERS",
	} {
		f.Add(s)
	}
	sites := []numbers.Dialling{
		{Country: "GB", Outside: []string{"9"}, Internal: 6, EmergencyNumbers: []string{"123456"}},
		{Country: "AU", International: []string{"0011", "9"}, Internal: 4},
		{Internal: 6},
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i := range sites {
			d := &sites[i]
			for _, n := range []numbers.Number{d.Read(s), d.ReadSent(s)} {
				for i, c := range n.Digits {
					if (c < '0' || c > '9') && (c != '+' || i > 0) {
						t.Fatalf("Read(%q) = %+v", s, n)
					}
				}
				if n.Foreign && n.Country == "" || n.Type != "" && n.Country == "" {
					t.Fatalf("Read(%q) = %+v: foreign without a country", s, n)
				}
				if !n.Same(&n) && len(n.Digits) > 7 && n.E164 != "" {
					t.Fatalf("Read(%q) = %+v is not the same as itself", s, n)
				}
			}
			user, _, _ := strings.Cut(s, "@")
			if digits := strings.Map(digit, user); d.Emergency(s) && len(digits) > 6+len(strings.Join(d.Outside, "")) {
				t.Fatalf("%q is an emergency number", s)
			}
		}
	})
}

func digit(c rune) rune {
	if c >= '0' && c <= '9' {
		return c
	}
	return -1
}

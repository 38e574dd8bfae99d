package calls_test

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/calls"
)

func TestRead(t *testing.T) {
	london := calls.Dialling{Country: "GB", Internal: 6}
	nines := calls.Dialling{Country: "GB", Outside: []string{"9"}, Internal: 6}
	chicago := calls.Dialling{Country: "US", Internal: 6}
	unknown := calls.Dialling{Internal: 6}
	for _, c := range []struct {
		name     string
		dialling calls.Dialling
		dialled  string
		e164     string
		country  string
		kind     string
	}{
		{"national", london, "02079460001", "+442079460001", "GB", ""},
		{"national with the usual separators", london, "(020) 7946-0001", "+442079460001", "GB", ""},
		{"foreign", london, "0033142685300", "+33142685300", "FR", ""},
		{"foreign with +", london, "+33142685300", "+33142685300", "FR", ""},
		{"outside line", nines, "902079460001", "+442079460001", "GB", ""},
		{"outside line, foreign", nines, "90033142685300", "+33142685300", "FR", ""},
		{"without the outside line", nines, "+33142685300", "+33142685300", "FR", ""},
		{"a prefix that attackers try", london, "90033142685300", "+33142685300", "FR", ""},
		{"011 is Leeds in Britain", london, "01134960000", "+441134960000", "GB", ""},
		{"011 is international in America", chicago, "011442079460001", "+442079460001", "GB", ""},
		{"Jamaica looks national in America", chicago, "18765551234", "+18765551234", "JM", ""},
		{"national premium", london, "09098790000", "+449098790000", "GB", "premium"},
		{"national premium, and further digits", london, "09098790000123", "+449098790000", "GB", "premium"},
		{"abroad, and further digits", chicago, "011449098790000999999", "+449098790000", "GB", "premium"},
		{"more digits than a number has", london, "0909879000012345678901234567890", "+449098790000", "GB", "premium"},
		{"national, and further digits", london, "02079460001555", "", "GB", ""},
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

func FuzzRead(f *testing.F) {
	for _, s := range []string{"00442079460001", "+", "9", "x\r\nPriority: 1", "٣٤٥٦٧٨٩٠", "0000000000000000000"} {
		f.Add(s)
	}
	site := calls.Dialling{Country: "GB", Outside: []string{"9"}, Internal: 6}
	f.Fuzz(func(t *testing.T, s string) {
		n := site.Read(s)
		for i, c := range n.Digits {
			if (c < '0' || c > '9') && (c != '+' || i > 0) {
				t.Fatalf("Read(%q) = %+v", s, n)
			}
		}
		if n.Foreign && n.E164 == "" {
			t.Fatalf("Read(%q) = %+v: foreign without a number", s, n)
		}
	})
}

package spending_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/spending"
)

// Lists as carriers send them.
func TestReadCSV(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		number string
		length time.Duration
		price  string
	}{
		"comma":                             {"prefix,destination,rate\n44,UK,0.01\n447,UK mobile,0.12\n", "+447700900123", time.Minute, "0.12"},
		"the longest prefix":                {"prefix,rate\n44,0.01\n447,0.12\n4477,0.30\n", "+442079460001", time.Minute, "0.01"},
		"semicolon and decimal comma":       {"Vorwahl;Ziel;Preis pro Minute\n49;Deutschland;0,0123\n", "+4930123456", 100 * time.Minute, "1.23"},
		"a BOM and CRLF":                    {"\xef\xbb\xbfCode;Country;Rate\r\n252;Somalia;0,75\r\n", "+25261000000", 4 * time.Minute, "3.00"},
		"tabs":                              {"Dial Code\tRate per minute\n33\t0.02\n", "+33142000000", time.Minute, "0.02"},
		"no header":                         {"44,United Kingdom,0.01\n33,France,0.02\n", "+33142000000", time.Minute, "0.02"},
		"no header, with increments":        {"44;UK;60/60;0,01\n33;France;1/1;0,60\n", "+33142000000", 10 * time.Second, "0.10"},
		"increments":                        {"prefix,rate,billing increment\n33,0.60,30/6\n", "+33142000000", 31 * time.Second, "0.36"},
		"one number of increments":          {"prefix,rate,increment\n33,0.60,1\n", "+33142000000", time.Second, "0.01"},
		"a fee per call":                    {"prefix,rate,connection fee\n33,0.60,0.25\n", "+33142000000", time.Second, "0.85"},
		"several prefixes in a cell":        {"prefix,rate\n\"355, 3554, 3555\",0.30\n", "+35541234", time.Minute, "0.30"},
		"a range":                           {"prefix;rate\n2520-2529;0.80\n", "+252612345", time.Minute, "0.80"},
		"+ and 00":                          {"prefix,rate\n+44,0.01\n0033,0.02\n", "+33142000000", time.Minute, "0.02"},
		"a currency":                        {"prefix,rate\n33,€ 0.02\n44,0.01 GBP\n", "+33142000000", time.Minute, "0.02"},
		"thousands and hundredths":          {"prefix;cent/min\n870;1.050,5\n", "+870773", time.Minute, "11"},
		"the same prefix again: the dearer": {"prefix,rate\n33,0.02\n33,0.05\n33,0.03\n", "+33142000000", time.Minute, "0.05"},
		"blank rows":                        {"prefix,rate\n,\n\n33,0.02\n", "+33142000000", time.Minute, "0.02"},
		"other columns":                     {"id,Country,Destination Code,Effective Date,Rate (EUR),Increment\n1,France,33,2026-01-01,0.02,60/60\n", "+33142000000", time.Minute, "0.02"},
		"free":                              {"prefix,rate\n883510,0\n", "+883510001", time.Hour, "0.00"},
		"a number of many digits":           {"prefix,rate\n123456789012345,1\n", "+1234567890123456789", time.Minute, "1.00"},
	} {
		t.Run(name, func(t *testing.T) {
			rates, summary, err := spending.ReadCSV(strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			rate, ok := rates.Find(tc.number)
			if !ok || rate.Price(tc.length).String() != tc.price {
				t.Errorf("%s: %v %+v, price %s; want %s (%v)", tc.number, ok, rate, rate.Price(tc.length), tc.price, summary.Columns)
			}
			again := stored(t, rates)
			if rate2, _ := again.Find(tc.number); rate2 != rate || again.Len() != rates.Len() {
				t.Errorf("stored and read: %+v, want %+v", rate2, rate)
			}
		})
	}
}

func stored(t *testing.T, rates *spending.Rates) *spending.Rates {
	t.Helper()
	var b bytes.Buffer
	if err := spending.WriteCSV(&b, rates); err != nil {
		t.Fatal(err)
	}
	again, _, err := spending.ReadCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// What cannot be right is refused as a whole, with the line.
func TestMistakesInCSV(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"negative":             {"prefix,rate\n33,0.02\n44,-1\n", `line 3: rate "-1": negative`},
		"huge":                 {"prefix,rate\n33,5000\n", `line 2: rate "5000": more than 1000 a minute`},
		"no number":            {"prefix,rate\n33,abc\n", `line 2: rate "abc": want an amount such as 0.0123`},
		"infinite":             {"prefix,rate\n33,1e9\n", `line 2: rate "1e9"`},
		"missing":              {"prefix,rate\n33\n", "line 2: rate is missing"},
		"a national prefix":    {"prefix,rate\n020,0.01\n", `line 2: prefix "020": want up to 15 digits in international form`},
		"a name as prefix":     {"prefix,rate\nFrance,0.01\n", `line 2: prefix "France"`},
		"no columns":           {"destination,amount\nFrance,0.01\n", "line 1: no columns of prefixes and rates"},
		"which is the rate":    {"33,0.01,0.05\n", "line 1: 2 columns may hold the rate"},
		"an open quote":        {"prefix,rate\n33,0.01\n\"44,0.02\n", "line 3: not CSV"},
		"a quote in a field":   {"prefix,rate\n33,0\".01\n", "line 2: not CSV"},
		"a bad increment":      {"prefix,rate,increment\n33,0.01,often\n", `line 2: increment "often"`},
		"too wide a range":     {"prefix,rate\n100000-999999,0.01\n", "line 2: prefixes"},
		"a range backwards":    {"prefix,rate\n29-22,0.01\n", "line 2: prefixes"},
		"UTF-16":               {"\xff\xfep\x00", "UTF-16: save it as CSV in UTF-8"},
		"a spreadsheet":        {"PK\x03\x04\x00\x00", "not a text file"},
		"nothing":              {"", "the file holds no rates"},
		"only a header":        {"prefix,rate\n", "the file holds no rates"},
		"after a quoted break": {"prefix,destination,rate\n33,\"Fr\nance\",0.01\n44,UK,x\n", `line 4: rate "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := spending.ReadCSV(strings.NewReader(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// A file that is no list of rates costs neither memory nor patience.
func TestHostileCSV(t *testing.T) {
	bad := strings.Repeat("x,1\n", 100_000)
	_, _, err := spending.ReadCSV(strings.NewReader("prefix,rate\n" + bad))
	var rows spending.CSVError
	if !errors.As(err, &rows) || len(rows) != 21 || rows[20] != "and 99980 more lines that cannot be read" {
		t.Errorf("%d problems: %v", len(rows), err)
	}
	for name, text := range map[string]string{
		"100 MB":         strings.Repeat("44,0.01\n", 100<<20/8),
		"one open quote": "prefix,rate\n\"" + strings.Repeat("4", 20<<20),
		"many prefixes":  "prefix,rate\n" + strings.Repeat("\"1000-1999;2000-2999;3000-3999;4000-4999;5000-5999;6000-6999;7000-7999;8000-8999;9000-9999;10000-10999;11000-11999;12000-12999\",1\n", 3),
	} {
		if _, _, err := spending.ReadCSV(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Whatever a file holds, reading it ends, and what was read is stored without loss.
func FuzzReadCSV(f *testing.F) {
	for _, text := range []string{
		"prefix,rate\n33,0.02\n", "44;UK;0,01\n", "\xef\xbb\xbfCode;Rate;fee;increment\n1;2;3;4/5\n", "\"355, 3554\",x,0.3\n", "prefix\tcent\n1-9\t1.000,5\n", "\"", "33,€\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rates, _, err := spending.ReadCSV(bytes.NewReader(text))
		if err != nil {
			if rates != nil {
				t.Error("rates beside an error")
			}
			return
		}
		again := stored(t, rates)
		if again.Len() != rates.Len() {
			t.Fatalf("%d rates became %d", rates.Len(), again.Len())
		}
		for _, p := range rates.List() {
			rate, ok := again.Find("+" + p.Prefix)
			if !ok || rate != p.Rate || rate.PerMinute < 0 || rate.Price(20*time.Hour) < 0 {
				t.Fatalf("%s: %+v became %+v", p.Prefix, p.Rate, rate)
			}
		}
	})
}

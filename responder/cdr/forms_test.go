package cdr_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"github.com/tollwarden/tollwarden/responder/cdr"
)

// Each export here is the call of plain. Add a line for a form that is not read yet.
func TestForms(t *testing.T) {
	const fields = "2026-11-20 03:00:00|1001|00442079460001|PJSIP/1001-00000010|PJSIP/carrier-000003e8|PJSIP/00442079460001@carrier,30|94|90|ANSWERED"
	// with writes a header and these fields, in quotes, between commas.
	with := func(comma, header, fields string) string {
		quoted := `"` + strings.ReplaceAll(fields, "|", `"`+comma+`"`) + `"`
		return strings.ReplaceAll(header, "|", comma) + "\r\n" + quoted + "\r\n"
	}
	for name, text := range map[string]string{
		"Asterisk's names":              with(",", "calldate|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", fields),
		"FreePBX, English":              with(",", "Call Date|Source|Destination|Channel|Destination Channel|lastdata|Duration|billsec|Disposition", fields),
		"FreePBX, German":               with(";", "Anrufdatum|src|Ziel|Kanal|dstchannel|lastdata|Dauer|billsec|Zustand", fields),
		"FreePBX, Spanish":              with(";", "Fecha Llamada|src|Número Destino|Canal|dstchannel|lastdata|Duración|billsec|Disposición", fields),
		"FreePBX, French":               with(";", "Date de l'appel|src|Destination|Canal|dstchannel|lastdata|Durée|billsec|État de l'appel", fields),
		"FreePBX, Portuguese":           with(";", "Data / Hora|src|Destino|Canal|dstchannel|lastdata|Duração|billsec|disposition", fields),
		"FreePBX, Russian":              with(";", "Дата звонка|src|Куда звонил|Канал|dstchannel|lastdata|Длительность|billsec|Статус звонка", fields),
		"Issabel, English":              with(",", "Date|Source|Destination|Src. Channel|Dst. Channel|Last Data|Duration|Billsec|Status", fields),
		"Issabel, German":               with(",", "Datum|Quelle|Bestimmungsort|Ursprungskanal|Zielkanal|lastdata|Dauer|billsec|Status", fields),
		"Issabel, Spanish":              with(",", "Fecha|Fuente|Destino|Canal origen|Canal destino|lastdata|Duración|billsec|Estado", fields),
		"Issabel, French":               with(",", "Date|Source|Destination|Canal src.|Canal dst.|lastdata|Durée|billsec|Statut", fields),
		"Issabel, Italian":              with(",", "Data|Sorgente|Destinazione|Canale Src.|Canale Dst.|lastdata|Dutata|billsec|Stato", fields),
		"Issabel, Portuguese":           with(",", "Data|Origem|Destino|Canal de Origem|Canal de Destino|lastdata|Duração|billsec|Estado", fields),
		"Issabel, Russian":              with(",", "Дата|От кого|Кому|Канал источник|Канал приемник|lastdata|Длительность|billsec|Статус", fields),
		"VitalPBX":                      with(",", "Call Date|Source|Destination|Source Channel|Destination Channel|Last Data|Duration|Billable Seconds|Call Status", fields),
		"Dutch":                         with(";", "Datum|Bron|Bestemming|Kanaal|Doelkanaal|lastdata|Duur|Gesprekstijd|Status", fields),
		"Italian":                       with(";", "Data chiamata|Chiamante|Chiamato|Canale|Canale destinazione|lastdata|Durata|billsec|Esito", fields),
		"Spanish in Windows-1252":       inPage(charmap.Windows1252, with(";", "Fecha|Origen|Destino|Canal origen|Canal destino|lastdata|Duración|billsec|Estado", fields)),
		"French in Windows-1252":        inPage(charmap.Windows1252, with(";", "Date|Source|Destination|Canal src.|Canal dst.|lastdata|Durée|billsec|Statut", fields)),
		"Russian in Windows-1251":       inPage(charmap.Windows1251, with(";", "Дата|Источник|Назначение|Канал источник|Канал приемник|lastdata|Длительность|billsec|Статус", fields)),
		"UTF-16, little-endian":         inUTF16(true, with("\t", "calldate|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", fields)),
		"UTF-16, big-endian":            inUTF16(false, with(";", "calldate|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", fields)),
		"for Excel":                     "sep=;\r\n" + with(";", "calldate|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", fields),
		"date and time apart":           with(";", "Datum|Uhrzeit|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, " ", "|", 1)),
		"tabs, mysql --batch":           "calldate\tclid\tsrc\tdst\tchannel\tdstchannel\tlastdata\tduration\tbillsec\tdisposition\n2026-11-20 03:00:00\t\"Anna \\n\" <1001>\t1001\t00442079460001\tPJSIP/1001-00000010\tPJSIP/carrier-000003e8\tPJSIP/00442079460001@carrier,30\t94\t90\tANSWERED\n",
		"tabs, quotes as they are":      "calldate\tclid\tsrc\tdst\tchannel\tdstchannel\tlastdata\tduration\tbillsec\tdisposition\n2026-11-20 03:00:00\t\"Anna\" <1001>\t1001\t00442079460001\tPJSIP/1001-00000010\tPJSIP/carrier-000003e8\tPJSIP/00442079460001@carrier,30\t94\t90\tANSWERED\n",
		"a drawn table, mysql --table":  "+---+\n| calldate | clid | src | dst | channel | dstchannel | lastdata | duration | billsec | disposition |\n+---+\n| 2026-11-20 03:00:00 | \"Anna\" <1001> | 1001 | 00442079460001 | PJSIP/1001-00000010 | PJSIP/carrier-000003e8 | PJSIP/00442079460001@carrier,30 | 94 | 90 | ANSWERED |\n+---+\n",
		"INTO OUTFILE with backslashes": "calldate,clid,src,dst,channel,dstchannel,lastdata,duration,billsec,disposition,userfield\n\"2026-11-20 03:00:00\",\"\\\"Anna, B\\\" <1001>\",\"1001\",\"00442079460001\",\"PJSIP/1001-00000010\",\"PJSIP/carrier-000003e8\",\"PJSIP/00442079460001@carrier,30\",94,90,\"ANSWERED\",\\N\n",
		"phpMyAdmin":                    "\"calldate\",\"clid\",\"src\",\"dst\",\"channel\",\"dstchannel\",\"lastdata\",\"duration\",\"billsec\",\"disposition\",\"answer\"\n" + `"2026-11-20 03:00:00","""Anna"" <1001>","1001","00442079460001","PJSIP/1001-00000010","PJSIP/carrier-000003e8","PJSIP/00442079460001@carrier,30","94","90","ANSWERED",NULL` + "\n",
		"durations with units":          with(",", "Date|Source|Destination|Src. Channel|Dst. Channel|lastdata|Duration|Billsec|Status", strings.NewReplacer("|94|", "|94s (1m 34s)|", "|90|", "|1m 30s|").Replace(fields)),
		"durations as a clock":          with(",", "Date|Source|Destination|Src. Channel|Dst. Channel|lastdata|Duration|Billsec|Status", strings.NewReplacer("|94|", "|00:01:34|", "|90|", "|1:30|").Replace(fields)),
		"day first with dots":           with(";", "Datum|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20 03", "20.11.2026 03", 1)),
		"day first with slashes":        with(";", "Datum|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20 03", "20/11/2026 03", 1)),
		"month first":                   with(",", "Date|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20 03:00:00", "11/20/2026 3:00:00 AM", 1)),
		"month first, two digits":       with(",", "Date|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20 03:00:00", "11/20/26 3:00", 1)),
		"year first with slashes":       with(",", "Date|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20", "2026/11/20", 1)),
		"a month's name":                with(",", "Date|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20", "20 Nov 2026", 1)),
		"as in mail":                    with(",", "Date|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20 03:00:00", "Fri, 20 Nov 2026 03:00:00 +0000", 1)),
		"milliseconds since 1970":       with(",", "Date|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition", strings.Replace(fields, "2026-11-20 03:00:00", "1795143600000", 1)),
		"line feeds in fields":          with(",", "calldate|src|dst|channel|dstchannel|lastdata|duration|billsec|disposition|userfield", fields+"|a\nb\nc\nd\ne"),
	} {
		t.Run(name, func(t *testing.T) {
			if got := all(text); fmt.Sprint(got) != fmt.Sprint([]string{read}) {
				t.Errorf("\ngot  %q\nwant %q\nof %q", got, read, text)
			}
			if !cdr.Sniff([]byte(text)) {
				t.Error("it is not recognized")
			}
		})
	}
}

func inPage(page *charmap.Charmap, text string) string {
	out, err := page.NewEncoder().String(text)
	if err != nil {
		panic(err)
	}
	return out
}

func inUTF16(little bool, text string) string {
	var b strings.Builder
	for _, u := range append([]uint16{0xfeff}, utf16.Encode([]rune(text))...) {
		if little {
			b.Write([]byte{byte(u), byte(u >> 8)})
		} else {
			b.Write([]byte{byte(u >> 8), byte(u)})
		}
	}
	return b.String()
}

// A list as a web page shows it has no channels: the caller's extension is the account.
func TestWithoutChannels(t *testing.T) {
	const text = "Fecha;Origen;Destino;Estado;Duración\n2026-11-20 03:00:00;1001;00442079460001;RESPONDIDA;1m 34s\n2026-11-20 03:00:00;00442079460001;1001;RESPONDIDA;1m 34s\n"
	want := []string{"1001 from PJSIP/1001-00000001 to 00442079460001 over , 03:00:00 03:00:00 03:01:34", "line 3: the file has no column with channels, and the caller is no extension"}
	if got := all(text); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\ngot  %q\nwant %q", got, want)
	}
}

// Whether the day or the month is first is what another date in the file shows, or what
// cannot be in the future; otherwise a person has to say it.
func TestOrderOfDates(t *testing.T) {
	latest := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		dates []string
		order cdr.Order
		want  string
	}{
		"another date has the day first":   {[]string{"3/4/2026 10:00:00", "13/4/2026 10:00:00"}, cdr.Unclear, "2026-04-03 2026-04-13"},
		"another date has the month first": {[]string{"3/4/2026 10:00:00", "3/14/2026 10:00:00"}, cdr.Unclear, "2026-03-04 2026-03-14"},
		"one reading is in the future":     {[]string{"3/4/2026 10:00:00", "12/3/2026 10:00:00"}, cdr.Unclear, "2026-04-03 2026-03-12"},
		"neither":                          {[]string{"3/4/2026 10:00:00", "5/6/2026 10:00:00"}, cdr.Unclear, "line 2: \"3/4/2026 10:00:00\" may have the day or the month first"},
		"both the same":                    {[]string{"4/4/2026 10:00:00", "5/5/2026 10:00:00"}, cdr.Unclear, "2026-04-04 2026-05-05"},
		"a person says it":                 {[]string{"3/4/2026 10:00:00"}, cdr.MonthFirst, "2026-03-04"},
		"and is contradicted":              {[]string{"3/4/2026 10:00:00", "13/4/2026 10:00:00"}, cdr.MonthFirst, "2026-03-04 line 3: its start is not a valid time"},
		"dots":                             {[]string{"3.4.2026 10:00:00"}, cdr.Unclear, "2026-04-03"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "calldate;src;dst;channel;duration\n"
			for _, d := range tc.dates {
				text += d + ";1001;0044;PJSIP/1001-00000010;94\n"
			}
			order := tc.order
			if order == cdr.Unclear && cdr.NeedsOrder([]byte(text), time.UTC) {
				var err error
				if order, err = cdr.FindOrder(strings.NewReader(text), time.UTC, latest); err != nil && !strings.HasPrefix(err.Error(), tc.want) {
					t.Fatal(err)
				}
			}
			c := cdr.NewCSV(strings.NewReader(text), time.UTC, latest, order)
			var got []string
			for {
				var r cdr.Record
				err := c.Next(&r)
				var bad *cdr.BadRow
				if err == nil {
					got = append(got, r.Start.Format(time.DateOnly))
					continue
				}
				var unclear *cdr.UnclearDate
				if errors.As(err, &bad) || errors.As(err, &unclear) {
					got = append(got, err.Error())
				}
				if bad == nil {
					break
				}
			}
			if !strings.HasPrefix(strings.Join(got, " "), tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// Events of channels become a record for each call: over the trunk that answered, though
// another was tried first, and though calls overlap.
func TestChannelEvents(t *testing.T) {
	row := func(kind, at, exten, channel, app, data, id, linked string) string {
		return fmt.Sprintf(`"%s","%s","Anna","1001","","","","%s","in","%s","%s","%s","3","","%s","%s","","",""`+"\n", kind, at, exten, channel, app, data, id, linked)
	}
	const caller, first, second = "PJSIP/1001-00000010", "PJSIP/old-000003e7", "PJSIP/carrier-000003e8"
	const dial = "PJSIP/00442079460001@old,30&PJSIP/00442079460001@carrier,30"
	events := row("CHAN_START", "1795143600.000001", "00442079460001", caller, "", "", "1.0", "1.0") +
		row("CHAN_START", "1795143600.500000", "x", "SIP/1002-00000011", "", "", "9.0", "9.0") +
		row("APP_START", "1795143601.000000", "00442079460001", caller, "Dial", strings.Replace(dial, ",30&", "&", 1), "1.0", "1.0") +
		row("CHAN_START", "1795143601.000000", "s", first, "", "", "1.1", "1.0") +
		row("CHAN_START", "1795143602.000000", "s", second, "", "", "1.2", "1.0") +
		row("CHAN_END", "1795143603.000000", "s", first, "", "", "1.1", "1.0") +
		row("ANSWER", "1795143604.000000", "s", second, "", "", "1.2", "1.0") +
		row("ANSWER", "1795143604.000000", "00442079460001", caller, "Dial", "", "1.0", "1.0") +
		row("CHAN_END", "1795143694.000000", "s", second, "", "", "1.2", "1.0") +
		row("CHAN_END", "1795143694.000000", "00442079460001", caller, "", "", "1.0", "1.0")
	named := "eventtype;eventtime;cid_num;exten;context;channame;appname;appdata;uniqueid;linkedid\n" +
		"CHAN_START;2026-11-20 03:00:00;1001;00442079460001;in;" + caller + ";;;1.0;1.0\nAPP_START;2026-11-20 03:00:01;1001;00442079460001;in;" + caller + ";Dial;PJSIP/00442079460001@carrier,30;1.0;1.0\n" +
		"CHAN_START;2026-11-20 03:00:01;;s;in;" + second + ";;;1.2;1.0\nANSWER;2026-11-20 03:00:04;;s;in;" + second + ";;;1.2;1.0\n" +
		"CHAN_END;2026-11-20 03:01:34;;s;in;" + second + ";;;1.2;1.0\nCHAN_END;2026-11-20 03:01:34;1001;;in;" + caller + ";;;1.0;1.0\n"
	open := "1001 from SIP/1002-00000011 to x over , 03:00:00 not answered 03:00:00"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"cel_custom": {events, []string{read, open}},
		"with names": {named, []string{read}},
		"cut off":    {strings.Join(strings.SplitAfter(events, "\n")[:8], ""), []string{"1001 from PJSIP/1001-00000010 to 00442079460001 over carrier, 03:00:00 03:00:04 03:00:04", open}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := all(tc.text); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("\ngot  %q\nwant %q", got, tc.want)
			}
			if !cdr.Sniff([]byte(tc.text)) {
				t.Error("it is not recognized")
			}
		})
	}
}

// Files as people have them: twelve calls to satellites, each read as such.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		list := all(string(text))
		if len(list) != 12 {
			t.Errorf("%s: %d records: %q", path, len(list), list)
		}
		for _, r := range list {
			if !strings.Contains(r, " to 00882131000") || !strings.Contains(r, "over carrier") {
				t.Errorf("%s: %s", path, r)
			}
		}
	}
}

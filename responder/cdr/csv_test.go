package cdr_test

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/cdr"
)

const (
	plain  = `"","1001","00442079460001","in","""Anna"" <1001>","PJSIP/1001-00000010","PJSIP/carrier-000003e8","Dial","PJSIP/00442079460001@carrier,30","2026-11-20 03:00:00","2026-11-20 03:00:04","2026-11-20 03:01:34",94,90,"ANSWERED","DOCUMENTATION","pbx-1.0",""` + "\n"
	failed = `"","1001","00442079460001","in","""Anna"" <1001>","PJSIP/1001-00000010","","Dial","","2026-11-20 03:00:00","","2026-11-20 03:01:34",94,0,"NO ANSWER","DOCUMENTATION","pbx-1.0",""` + "\n"
	custom = `"""Anna"" <1001>","1001","00442079460001","in","PJSIP/1001-00000010","PJSIP/carrier-000003e8","Dial","PJSIP/00442079460001@carrier,30","2026-11-20 03:00:00","2026-11-20 03:00:04","2026-11-20 03:01:34","94","90","ANSWERED","DOCUMENTATION","","pbx-1.0","","0"` + "\n"
	header = "calldate;clid;src;dst;dcontext;channel;dstchannel;lastapp;lastdata;duration;billsec;disposition;amaflags;accountcode;uniqueid\r\n"
	export = `2026-11-20 03:00:00;"""Anna; B"" <1001>";1001;00442079460001;in;PJSIP/1001-00000010;PJSIP/carrier-000003e8;Dial;PJSIP/00442079460001@carrier,30;94;90;ANSWERED;3;;pbx-1.0` + "\r\n"
	table  = `"2026-11-20 03:00:00","Anna <1001>","1001","00442079460001","in","PJSIP/1001-00000010","PJSIP/carrier-000003e8","Dial","PJSIP/00442079460001@carrier,30","94","90","ANSWERED","3","","pbx-1.0",""` + "\n"
	read   = "1001 from PJSIP/1001-00000010 to 00442079460001 over carrier, 03:00:00 03:00:04 03:01:34"
)

// all reads everything, in short.
func all(text string) (list []string) {
	c := cdr.NewCSV(strings.NewReader(text), time.UTC, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), cdr.Unclear)
	for {
		var r cdr.Record
		err := c.Next(&r)
		var bad *cdr.BadRow
		switch {
		case errors.Is(err, io.EOF):
			return list
		case errors.As(err, &bad):
			list = append(list, bad.Error())
		case err != nil:
			return append(list, err.Error())
		default:
			answer := "not answered"
			if r.Answered() {
				answer = r.Answer.UTC().Format(time.TimeOnly)
			}
			list = append(list, fmt.Sprintf("%s from %s to %s over %s, %s %s %s", r.Source, r.Channel, r.Dialled, r.Carrier(), r.Start.UTC().Format(time.TimeOnly), answer, r.End.UTC().Format(time.TimeOnly)))
		}
	}
}

func TestRecords(t *testing.T) {
	epoch := strings.NewReplacer("2026-11-20 03:00:00", "1795143600", "2026-11-20 03:00:04", "1795143604.25", "2026-11-20 03:01:34", "1795143694")
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"cdr_csv":                                {plain, []string{read}},
		"cdr_custom":                             {custom, []string{read}},
		"not answered":                           {failed, []string{strings.Replace(strings.Replace(read, "03:00:04", "not answered", 1), "carrier", "", 1)}},
		"names and semicolons":                   {header + export, []string{read}},
		"names in another order":                 {"Channel,Src,Dst,End,Start,Answer,DstChannel,LastData\nPJSIP/1001-00000010,1001,00442079460001,2026-11-20 03:01:34,2026-11-20 03:00:00,2026-11-20 03:00:04,PJSIP/carrier-000003e8,PJSIP/1@carrier\n", []string{read}},
		"the table without names":                {table, []string{read}},
		"a byte order mark":                      {"\xef\xbb\xbf" + plain, []string{read}},
		"a byte order mark before names":         {"\xef\xbb\xbf" + header + export, []string{read}},
		"milliseconds":                           {strings.ReplaceAll(plain, "03:00:04", "03:00:04.123"), []string{read}},
		"seconds since 1970":                     {epoch.Replace(plain), []string{read}},
		"with a time zone":                       {strings.NewReplacer("03:00:00", "04:00:00+01:00", "03:00:04", "04:00:04+01:00", "03:01:34", "04:01:34+01:00").Replace(plain), []string{read}},
		"no line feed at the end":                {strings.TrimSpace(plain), []string{read}},
		"empty lines":                            {"\n\r\n" + plain + "\n", []string{read}},
		"a line feed in the first record":        {strings.Replace(plain, "Anna", "Anna\nof sales", 1) + plain, []string{read, read}},
		"a damaged line":                         {plain + "\"no record\n" + plain, []string{read, "line 2: not CSV", read}},
		"a damaged line at the end":              {plain + "\"no record\nx\ny\n", []string{read, "line 2: not CSV", "line 3: too few fields", "line 4: too few fields"}},
		"a damaged time":                         {plain + strings.Replace(plain, "2026-11-20 03:01:34", "soon", 1), []string{read, "line 2: its end is not a valid time"}},
		"it ends before it starts":               {plain + strings.Replace(plain, "03:01:34", "02:01:34", 1), []string{read, "line 2: its end is before its start"}},
		"a start in the future":                  {plain + strings.ReplaceAll(plain, "2026", "2027"), []string{read, "line 2: its start is not a valid time"}},
		"nothing like it":                        {"[2026-11-20] NOTICE[1] chan_sip.c: x\n", []string{"line 1: no call record: its columns are not known; write their names into the first line"}},
		"a line that is too long":                {plain + strings.Repeat("x", 70_000) + "\n" + plain, []string{read, "line 2: too long", read}},
		"a line that is too long within a quote": {plain + "\"x\n" + strings.Repeat("x", 70_000) + "\n" + plain, []string{read, "line 3: not CSV", "line 3: too long", read}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := all(tc.text); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("\ngot  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]bool{
		plain: true, custom: true, header + export: true, table: true, "\xef\xbb\xbf" + plain: true, `"",` + plain[:40] + "\n" + plain: true,
		"[Nov 20 03:00:00] NOTICE[1] chan_sip.c: Registration from '\"1\" <sip:1@x>' failed\n": false, "Event: x\n": false, "": false,
	} {
		if got := cdr.Sniff([]byte(text)); got != want {
			t.Errorf("%.60q: %v", text, got)
		}
	}
}

// Each form of a destination: what is sent to a carrier, and which one.
func TestDestinations(t *testing.T) {
	const number = "00442079460001"
	for data, want := range map[string]string{
		"PJSIP/00442079460001@carrier,30,T":                        number + " over carrier",
		"PJSIP/00442079460001@carrier|30|T":                        number + " over carrier",
		"PJSIP/carrier/sip:00442079460001@198.51.100.9,300":        number + " over carrier",
		"PJSIP/carrier/sips:00442079460001@198.51.100.9;lr,300":    number + " over carrier",
		"PJSIP/carrier/sip:00442079460001;phone-context=x@h,300":   number + " over carrier",
		"PJSIP/carrier/tel:00442079460001":                         number + " over carrier",
		"PJSIP/carrier/sip:+442079460001@198.51.100.9":             "+442079460001 over carrier",
		"PJSIP/1001&PJSIP/1002&PJSIP/00442079460001@carrier,20":    number + " over carrier",
		"PJSIP/00442079460009@other&PJSIP/00442079460001@carrier":  number + " over carrier",
		"SIP/carrier/00442079460001":                               number + " over carrier",
		"SIP/00442079460001@carrier":                               number + " over carrier",
		"SIP/00442079460001:secret@carrier":                        number + " over carrier",
		"SIP/00442079460001@carrier!sip:0033@host":                 number + " over carrier",
		"SIP/00442079460001@198.51.100.9//proxy":                   number + " over carrier",
		"IAX2/carrier/00442079460001,300":                          number + " over carrier",
		"IAX2/user:secret@carrier:4569/00442079460001@ctx/opt,300": number + " over carrier",
		"DAHDI/g0/00442079460001,60":                               number + " over 1",
		"DAHDI/i1/w00442079460001":                                 number + " over 1",
		"DAHDI/1/00442079460001":                                   number + " over 1",
		"Zap/r1/00442079460001":                                    number + " over 1",
		"mISDN/g:isdn/00442079460001":                              number + " over 1",
		"H323/00442079460001@gateway":                              number + " over 1",
		"Dongle/g0/00442079460001":                                 number + " over 1",
		"Local/00442079460001@from-internal/n":                     "",
		"PJSIP/1002/sip:1002@192.0.2.7:5060":                       "",
		"PJSIP/4930123456/sip:4930123456@192.0.2.7":                "",
		"PJSIP/1002": "", "SIP/1002,20,tr": "", "SIP/1001&SIP/1002": "", "IAX2/1002": "", "DAHDI/5": "", "DAHDI/g0": "", "": "", "&": "", "/": "", "SIP/": "",
	} {
		tech, _, _ := strings.Cut(data, "/")
		out := map[string]string{"PJSIP": "PJSIP/carrier-000003e8", "SIP": "SIP/carrier-000003e8", "IAX2": "IAX2/carrier-117"}[tech]
		r := cdr.Record{Data: []byte(data), OutChannel: []byte(out)}
		got := ""
		if r.ByNumber() {
			got = string(r.Number()) + " over " + cmp.Or(string(r.Carrier()), "1")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
}

// Callers of any technology whose channels name an account.
func TestCallers(t *testing.T) {
	for channel, want := range map[string]string{
		"PJSIP/1001-00000010": "1001", "SIP/front-desk-00000010": "front-desk", "IAX2/branch-117": "branch", "IAX2/branch-00000010": "branch",
		"DAHDI/5-1": "", "Local/1001@in-00000010;2": "", "IAX2/branch-": "", "SIP/1001": "", "": "",
	} {
		r := cdr.Record{Channel: []byte(channel)}
		if got := string(r.Caller()); got != want {
			t.Errorf("%s: %q, want %q", channel, got, want)
		}
	}
}

// rows are those of a query.
type rows struct {
	list [][]string
	n    int
	err  error
}

func (r *rows) Next() bool { r.n++; return r.n <= len(r.list) }
func (r *rows) Err() error { return r.err }

func (r *rows) Scan(to ...any) error {
	row := r.list[r.n-1]
	if len(row) != len(to) {
		return errors.New("wrong number of columns")
	}
	for i := range to {
		*to[i].(*sql.RawBytes) = []byte(row[i])
	}
	return nil
}

// A row of the table has no time of answer: it is the end without what was billed.
func TestRows(t *testing.T) {
	row := strings.Split("2026-11-20 03:00:00|x|1001|0044|in|PJSIP/1001-00000010|PJSIP/c-00000011|Dial|PJSIP/0044@c|94|90|ANSWERED|3||1.0", "|")
	bad := append([]string{"0000-00-00 00:00:00"}, row[1:]...)
	lost := errors.New("connection lost")
	in := cdr.NewRows(&rows{list: [][]string{row, bad, row[1:], row}, err: lost}, time.UTC, time.Time{})
	var got []string
	for {
		var r cdr.Record
		err := in.Next(&r)
		var wrong *cdr.BadRow
		if err != nil && !errors.As(err, &wrong) {
			if !errors.Is(err, lost) {
				t.Error(err)
			}
			break
		}
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, r.Answer.Format(time.TimeOnly)+" "+r.End.Format(time.TimeOnly))
	}
	if want := "[03:00:04 03:01:34 line 2: its start is not a valid time line 3: wrong number of columns 03:00:04 03:01:34]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{plain, custom, header + export, table, "\xef\xbb\xbf" + plain, "\"x\n" + plain, "a;b;c\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := cdr.NewCSV(strings.NewReader(string(text)), time.UTC, time.Time{}, cdr.Unclear)
		rows := 0
		for {
			var r cdr.Record
			err := c.Next(&r)
			if errors.Is(err, io.EOF) {
				break
			}
			if rows++; rows > len(text)+1 {
				t.Fatal("more rows than bytes")
			}
			if err == nil && (r.Start.IsZero() || r.End.Before(r.Start) || r.Answered() && (r.Answer.Before(r.Start) || r.Answer.After(r.End))) {
				t.Fatalf("%+v", r)
			}
			_, _ = r.Caller(), r.Carrier()
		}
		cdr.Sniff(text)
	})
}

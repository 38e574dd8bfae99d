package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

// pastOffice are the records of an office whose extension 1001 calls France, and a weekend
// of fraud by 1002.
func pastOffice(now time.Time) string {
	var b strings.Builder
	call := func(account, number string, at time.Time) {
		fmt.Fprintf(&b, `"","%[1]s","%[2]s","in","x","PJSIP/%[1]s-%08[3]x","PJSIP/carrier-%08[3]x","Dial","PJSIP/%[2]s@carrier,30","%[4]s","%[4]s","%[5]s",1,1,"ANSWERED","",""`+"\n",
			account, number, at.Unix()&0xffffff, at.Format(time.DateTime), at.Add(5*time.Minute).Format(time.DateTime))
	}
	for day := 50; day > 1; day-- {
		call("1001", "0033142000001", now.AddDate(0, 0, -day))
	}
	for n := range 100 {
		call("1002", "0023222123456", now.AddDate(0, 0, -20).Add(time.Duration(n)*time.Minute))
	}
	return b.String()
}

// The first start learns from the records of past calls, says so, and the next one does not
// do it again. A fraud among them is reported and teaches nothing.
func TestFirstStartLearnsFromPastCalls(t *testing.T) {
	s := newSite(t, "")
	records := filepath.Join(s.dir, "Master.csv")
	writeFile(t, records, pastOffice(time.Now().UTC()))
	s.configure("[calls]\ncountry = \"GB\"\ntimezone = \"UTC\"\n[calls.history]\nfrom = \"" + records + "\"\n")
	s.start()
	s.wait("what was learned", func() bool {
		return strings.Contains(s.log.String(), "2 extensions that call out, with 1 usual country")
	})
	s.wait("the warning", func() bool { return strings.Contains(s.log.String(), "1002: 100 calls abroad") })
	learned := func() bool {
		spending, err := s.api.Spending(t.Context())
		return err == nil && spending.Learning == nil
	}
	s.wait("the end of the first days", learned)
	s.stop()
	said := strings.Count(s.log.String(), "calls of the past: ")
	s.start()
	if !learned() {
		t.Error("after a restart the first days begin again")
	}
	s.stop()
	if again := strings.Count(s.log.String(), "calls of the past: "); again != said {
		t.Errorf("the next start learned again:\n%s", s.log.String())
	}
}

// Without records, or with some that cannot be read, the daemon runs as ever.
func TestNoPastCalls(t *testing.T) {
	s := newSite(t, "[calls.history]\nfrom = \"/nonexistent/Master.csv\"\n")
	s.start()
	s.wait("the warning", func() bool { return strings.Contains(s.log.String(), "/nonexistent/Master.csv") })
	if _, err := s.api.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.api.Teach(t.Context(), control.History{Days: []control.TaughtDay{{Hour: time.Now().Unix() / 3600, Account: "1001", Place: "SL", Calls: 1}}}); err == nil {
		t.Error("calls of the last day were taught")
	}
}

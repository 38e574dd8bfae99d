package spending_test

import (
	"fmt"
	"testing"
	"time"
)

// busy is a site with calls of the last day over, by as many accounts as a hundredth of
// them, and others up for up to an hour.
func busy(finished, up int) *site {
	s := newSite(noon.Add(-20 * time.Hour))
	for n := range finished {
		account := fmt.Sprint(n % (finished/100 + 1))
		c := s.begins(account, []string{"RO", "SO", "FR", "US"}[n%4])
		s.now = s.now.Add(20 * time.Hour / time.Duration(finished+1))
		s.Ended(s.now, c)
	}
	s.now = noon.Add(-time.Hour)
	for n := range up {
		s.begins(fmt.Sprint(n), "RO")
		s.now = s.now.Add(time.Hour / time.Duration(up+1))
	}
	s.now = noon
	s.Check(s.now, learnt)
	return s
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct{ finished, up int }{{100_000, 1000}, {0, 1000}, {100_000, 10}, {0, 2000}} {
		b.Run(fmt.Sprintf("%d finished, %d up", size.finished, size.up), func(b *testing.B) {
			s := busy(size.finished, size.up)
			for b.Loop() {
				s.now = s.now.Add(time.Millisecond)
				s.Check(s.now, learnt)
			}
		})
	}
}

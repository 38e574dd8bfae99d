package spending_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// The running sums are what counting anew finds, whatever happened meanwhile.
func TestRunningSums(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newSite(learnt.AddDate(0, 0, -3))
		var up []string
		for step := range 1000 {
			switch random.IntN(12) {
			case 0, 1, 2:
				up = append(up, s.begins(fmt.Sprint(random.IntN(20)), []string{"RO", "SO", "FR", "DE", ""}[random.IntN(5)]))
			case 3, 4, 5:
				if len(up) > 0 {
					n := random.IntN(len(up))
					s.Ended(s.now, up[n])
					up = append(up[:n], up[n+1:]...)
				}
			case 6:
				s.Check(s.now, learnt)
			case 7:
				if random.IntN(20) == 0 {
					s.Forgive(s.now, []string{"", "1", "2"}[random.IntN(3)])
				}
			case 8:
				s.Prune(s.now)
			case 9:
				if random.IntN(50) == 0 {
					s.now = s.now.Add(-2 * time.Hour) // the clock goes back
				}
			default:
				s.now = s.now.Add(time.Duration(random.IntN(20)) * time.Minute)
			}
			if step%10 > 0 {
				continue
			}
			kept := s.Standings(s.now, learnt)
			s.Recount()
			if anew := s.Standings(s.now, learnt); !reflect.DeepEqual(kept, anew) {
				t.Fatalf("seed %d, step %d: kept\n%+v\ncounted anew\n%+v", seed, step, kept, anew)
			}
		}
	}
}

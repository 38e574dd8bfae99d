package report

import (
	"math"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Timeline is a small graphic of an incident: one lane for failed attempts and signs, one for
// calls, one for what was done. Times that are far apart are drawn nearer to one another.
type Timeline struct {
	Title, Desc string
	From, To    string // the times at its ends
	Width       int
	Lanes       []Lane
}

// Height is that of the graphic.
func (t *Timeline) Height() int { return laneHeight*len(t.Lanes) + 22 }

// Ends is where the times at both ends are written.
func (t *Timeline) Ends() int { return laneHeight*len(t.Lanes) + 16 }

// Lane is one row of a Timeline. Y is the height of its line.
type Lane struct {
	Name  string
	Y     int
	Marks []Spot
}

// Label is the height of the lane's name, above its line.
func (l Lane) Label() int { return l.Y - 16 }

// Spot is something at a time, or from a time on.
type Spot struct {
	Shape   string // tick, diamond, bar, open (a bar without an end), check, cross
	X, Wide int
}

// Right is where the spot ends.
func (s Spot) Right() int { return s.X + s.Wide }

const (
	timelineWidth = 360
	timelineEdge  = 12
	laneHeight    = 46
	// mostSpots bounds a lane: what is nearer than a pixel cannot be told apart.
	mostSpots = 200
)

// scale says where times are on the graphic.
type scale struct {
	times []time.Time
	sums  []float64
}

// newScale gives each gap between two times the width of its logarithm, so that
// milliseconds and hours can both be seen.
func newScale(times []time.Time) *scale {
	slices.SortFunc(times, time.Time.Compare)
	s := &scale{times: times, sums: make([]float64, len(times))}
	for n := 1; n < len(times); n++ {
		gap := float64(times[n].Sub(times[n-1])) / float64(50*time.Millisecond)
		s.sums[n] = s.sums[n-1] + math.Log1p(gap)
	}
	return s
}

func (s *scale) x(at time.Time) int {
	n, _ := slices.BinarySearchFunc(s.times, at, time.Time.Compare)
	n = min(n, len(s.times)-1)
	all := s.sums[len(s.sums)-1]
	if all == 0 {
		return timelineWidth / 2
	}
	return timelineEdge + int(math.Round(s.sums[n]/all*(timelineWidth-2*timelineEdge)))
}

// timeline draws the incident; nil if there is too little to see.
func (f *facts) timeline() *Timeline {
	if f.i.Shared() {
		return nil
	}
	moments := f.moments()
	var times []time.Time
	for _, m := range moments {
		times = append(times, m.at)
		if m.call != nil && m.call.ended {
			times = append(times, m.call.Ended)
		}
	}
	if len(moments) < 3 {
		return nil
	}
	s := newScale(times)
	t := &Timeline{Title: f.say("timeline.title"), Width: timelineWidth}
	dated := f.severalDays(moments)
	t.From, t.To = f.clock(s.times[0], dated), f.clock(s.times[len(s.times)-1], dated)
	lanes := map[string]*Lane{}
	for _, key := range []string{"timeline.attack", "timeline.calls", "timeline.done"} {
		lanes[key] = &Lane{Name: f.say(key)}
	}
	for _, m := range moments {
		spot := Spot{Shape: "tick", X: s.x(m.at)}
		key := "timeline.attack"
		switch {
		case m.call != nil:
			key = "timeline.calls"
			spot.Shape, spot.Wide = "open", timelineWidth-timelineEdge-spot.X
			if m.call.ended {
				spot.Shape, spot.Wide = "bar", max(3, s.x(m.call.Ended)-spot.X)
			}
		case m.step != nil:
			key, spot.Shape = "timeline.done", "cross"
			if m.mark == Done {
				spot.Shape = "check"
			}
		case m.sign != nil && (m.sign.Signal == score.SuccessAfterFailures || m.sign.Signal == score.NewPlaceAfterFailures):
			spot.Shape = "diamond"
		}
		l := lanes[key]
		if !slices.Contains(l.Marks, spot) && len(l.Marks) < mostSpots {
			l.Marks = append(l.Marks, spot)
		}
	}
	for _, key := range []string{"timeline.attack", "timeline.calls", "timeline.done"} {
		if l := lanes[key]; len(l.Marks) > 0 {
			l.Y = laneHeight*len(t.Lanes) + 32
			t.Lanes = append(t.Lanes, *l)
		}
	}
	done := 0
	for _, m := range moments {
		if m.step != nil && m.step.State == incident.Done {
			done++
		}
	}
	t.Desc = f.say("timeline.desc", "from", t.From, "to", t.To, "tried", len(f.guesses), "calls", len(f.calls), "done", done)
	return t
}

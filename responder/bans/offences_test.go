package bans

import (
	"maps"
	"net/netip"
	"testing"
	"time"
)

func TestOffences(t *testing.T) {
	o := NewOffences(24 * time.Hour)
	for i, at := range []time.Time{noon, noon.Add(time.Hour), noon.Add(25 * time.Hour)} {
		if o.Add(at, guesser); o.Count(at, guesser) != i+1 {
			t.Errorf("offence %d counted as %d", i+1, o.Count(at, guesser))
		}
	}
	if n := o.Count(noon.Add(25*time.Hour+24*time.Hour), guesser); n != 3 {
		t.Errorf("%d offences on the last day they count, want 3", n)
	}
	if o.Add(noon.Add(50*time.Hour), guesser); o.Count(noon.Add(50*time.Hour), guesser) != 1 {
		t.Errorf("a forgotten offender begins at %d, want 1", o.Count(noon.Add(50*time.Hour), guesser))
	}
	o.Configure(time.Hour)
	if n := o.Count(noon.Add(52*time.Hour), guesser); n != 0 {
		t.Errorf("%d offences count for longer than configured", n)
	}
}

// Clearing a network clears the addresses in it, and no wider prefix.
func TestOffencesAreCleared(t *testing.T) {
	o := NewOffences(24 * time.Hour)
	wide := netip.MustParsePrefix("192.0.0.0/16")
	o.Set(guesser, 2, noon)
	o.Set(guessers, 1, noon)
	o.Set(another, 5, noon)
	o.Set(wide, 7, noon)
	if gone := o.Clear(guessers); !maps.Equal(gone, map[netip.Prefix]int{guesser: 2, guessers: 1}) {
		t.Errorf("cleared %v", gone)
	}
	for prefix, want := range map[netip.Prefix]int{guesser: 0, guessers: 0, another: 5, wide: 7} {
		if n := o.Count(noon, prefix); n != want {
			t.Errorf("%s has %d offences, want %d", prefix, n, want)
		}
	}
	if gone := o.Clear(guessers); len(gone) != 0 {
		t.Errorf("cleared twice: %v", gone)
	}
}

func TestOffencesAreBounded(t *testing.T) {
	o := NewOffences(24 * time.Hour)
	late := noon.Add(time.Hour)
	o.Set(guesser, 3, late)
	for i := range maxOffenders + 1000 {
		o.Set(address(i), 1, noon)
	}
	if len(o.by) > maxOffenders {
		t.Errorf("%d offenders kept, want %d at most", len(o.by), maxOffenders)
	}
	if len(o.by) < maxOffenders*9/10 {
		t.Errorf("only %d offenders kept: more went than had to", len(o.by))
	}
	if o.Count(late, guesser) != 3 {
		t.Error("the latest offender was forgotten before older ones")
	}
}

package main

import "testing"

func TestNearest(t *testing.T) {
	extensions := []string{"1001", "1006", "200", "front-desk"}
	for meant, want := range map[string]string{
		"1060": "1006", "1016": "1006", "1006": "", "20": "200", "999": "", "front-dsek": "front-desk", "Front-Desk": "front-desk", "": "",
	} {
		if got := nearest(meant, extensions); got != want {
			t.Errorf("%q: %q, want %q", meant, got, want)
		}
	}
}

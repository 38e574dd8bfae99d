package main

import "testing"

func TestNearest(t *testing.T) {
	extensions := []string{"1001", "1006", "200", "front-desk"}
	for meant, want := range map[string]string{
		"1060": "1006", "1016": "1006", "1009": "1001 or 1006", "1006": "", "20": "200", "999": "", "": "",
		"front-dsek": "front-desk", "Front-Desk": "front-desk", "fornt-dsek": "front-desk", "back-desk": "",
	} {
		got := ""
		if near := nearest(meant, extensions); len(near) > 0 {
			got = oneOf(near)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", meant, got, want)
		}
	}
}

func TestOneOf(t *testing.T) {
	if got := oneOf([]string{"1001", "1002", "1003"}); got != "1001, 1002 or 1003" {
		t.Error(got)
	}
}

package setup

import "testing"

// Working hours as people type them.
func TestTidyHours(t *testing.T) {
	for typed, want := range map[string]string{
		"Mon-Fri 08:00-18:00":           "Mon-Fri 08:00-18:00",
		"Mon-Fri 8-18":                  "Mon-Fri 08:00-18:00",
		"mon-fri 8:30-18":               "Mon-Fri 08:30-18:00",
		" SAT 9 - 13 ":                  "Sat 09:00-13:00",
		"Monday to Friday 8.30 – 17.00": "Mon-Fri 08:30-17:00",
		"Tues–Thurs 09:00-24:00":        "Tue-Thu 09:00-24:00",
	} {
		got := tidyHours(typed)
		if err := questionOf("hours").check(nil, nil, got); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{"", "always", "8-18", "Mon-Fri", "Foo-Fri 8-18", "Mon-Fri 18-8", "Mon-Fri 8am-6pm", "Mon-Fri 8-25", "Mon-Fri 8:60-18"} {
		if err := questionOf("hours").check(nil, nil, tidyHours(typed)); err == nil {
			t.Errorf("%q is taken", typed)
		}
	}
}

package lab

import "testing"

func TestStart(t *testing.T) {
	for _, v := range Versions() {
		t.Run(string(v), func(t *testing.T) {
			l := New(t, Options{Version: v})
			out, err := l.CLI(t.Context(), "core show version")
			t.Log(out, err)
		})
	}
}

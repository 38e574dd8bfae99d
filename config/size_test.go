package config

import "testing"

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"256MB": 256e6, "1GB": 1e9, "1500 MB": 1500e6, "64MB": 64e6,
		"": 0, "256": 0, "MB": 0, "-1MB": 0, "1.5GB": 0, "256MiB": 0, "99999999999GB": 0,
	} {
		got, err := parseSize(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		if err == nil {
			if again, err := parseSize(FormatSize(got)); again != got || err != nil {
				t.Errorf("%q is written %q: %v", text, FormatSize(got), err)
			}
		}
	}
}

package pbx

import (
	"strings"
	"testing"
)

func TestSecretsLookAsAPhoneTakesThem(t *testing.T) {
	for _, length := range []int{12, 24, 80} {
		seen := map[string]bool{}
		for range 200 {
			s, err := newSecret(length)
			if err != nil {
				t.Fatal(err)
			}
			if len(s) != length || strings.Trim(s, alphabet) != "" || strings.ContainsAny(s, "0Oo1lIi") || seen[s] {
				t.Fatalf("secret %q of %d characters", s, length)
			}
			seen[s] = true
		}
	}
}

// Every character comes about as often as every other: 54 of them do not divide
// 256, so folding a byte would favour the first 40 by a fifth to a quarter.
func TestSecretsHaveNoFavourites(t *testing.T) {
	count := map[rune]int{}
	const draws = 4000
	for range draws {
		s, err := newSecret(24)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s {
			count[r]++
		}
	}
	var first, rest float64
	fold := 256 % len(alphabet)
	for i, r := range alphabet {
		if i < fold {
			first += float64(count[r]) / float64(fold)
		} else {
			rest += float64(count[r]) / float64(len(alphabet)-fold)
		}
	}
	if ratio := first / rest; ratio < 0.95 || ratio > 1.05 {
		t.Errorf("the first %d characters come %.3f times as often as the others", fold, ratio)
	}
}

// The digests of RFC 7616 section 3.9.1 and 3.9.2 rest on these A1 strings.
func TestDigest(t *testing.T) {
	for algorithm, want := range map[string]string{
		"MD5":     "3d78807defe7de2157e2b0b6573a855f",
		"SHA-256": "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232",
	} {
		got, err := digest(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", algorithm, got, err)
		}
	}
	if got, err := digest("SHA-512-256", "u", "r", "p"); err != nil || len(got) != 64 {
		t.Errorf("SHA-512-256: %s, %v", got, err)
	}
	if _, err := digest("CRC32", "u", "r", "p"); err == nil {
		t.Error("CRC32 accepted")
	}
}

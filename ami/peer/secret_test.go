package peer

import (
	"strings"
	"testing"
)

func TestSecretsLookAsTheOptionsSay(t *testing.T) {
	for _, o := range []SecretOptions{{}, {Length: 12, Alphabet: "0123456789"}, {Length: 80, Alphabet: "-_.~abcdefghij"}} {
		if err := o.validate(); err != nil {
			t.Fatal(err)
		}
		o = o.withDefaults()
		seen := map[string]bool{}
		for range 200 {
			s, err := o.generate()
			if err != nil {
				t.Fatal(err)
			}
			if len(s) != o.Length || strings.Trim(s, o.Alphabet) != "" || strings.ContainsAny(s[:1], "-_.~") || seen[s] {
				t.Fatalf("secret %q of %+v", s, o)
			}
			seen[s] = true
		}
	}
}

// Every character comes about as often as every other: 54 of them do not divide
// 256, so folding a byte would favour the first 40 by a fifth to a quarter.
func TestSecretsHaveNoFavourites(t *testing.T) {
	o := SecretOptions{}.withDefaults()
	count := map[rune]int{}
	const draws = 4000
	for range draws {
		s, err := o.generate()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s {
			count[r]++
		}
	}
	var first, rest float64
	fold := 256 % len(o.Alphabet)
	for i, r := range o.Alphabet {
		if i < fold {
			first += float64(count[r]) / float64(fold)
		} else {
			rest += float64(count[r]) / float64(len(o.Alphabet)-fold)
		}
	}
	if ratio := first / rest; ratio < 0.95 || ratio > 1.05 {
		t.Errorf("the first %d characters come %.3f times as often as the others", fold, ratio)
	}
}

func TestSecretOptionsRefused(t *testing.T) {
	for _, o := range []SecretOptions{
		{Length: 8}, {Length: 81}, {Alphabet: "abc"}, {Alphabet: "abcdefghij;"}, {Alphabet: "abcdefghij "}, {Alphabet: "aabcdefghij"}, {Alphabet: "abcdefghijü"},
	} {
		if o.validate() == nil {
			t.Errorf("accepted %+v", o)
		}
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

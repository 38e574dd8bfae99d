package peer

import (
	"cmp"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// PhoneAlphabet is what every phone's keypad, web page and provisioning file
// accepts, without the look-alikes 0 O o 1 l I i.
const PhoneAlphabet = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// SecretOptions say what a new secret looks like.
type SecretOptions struct {
	Length   int    // characters, 12 to 80 (default 24)
	Alphabet string // letters, digits and -_.~ to draw from, at least 10 different ones (default PhoneAlphabet)
}

func (o SecretOptions) withDefaults() SecretOptions {
	return SecretOptions{Length: cmp.Or(o.Length, 24), Alphabet: cmp.Or(o.Alphabet, PhoneAlphabet)}
}

func (o SecretOptions) validate() error {
	o = o.withDefaults()
	// chan_sip keeps 80 characters of a secret.
	if o.Length < 12 || o.Length > 80 {
		return fmt.Errorf("secret length %d: must be 12 to 80", o.Length)
	}
	seen := map[rune]bool{}
	for _, r := range o.Alphabet {
		if !strings.ContainsRune("-_.~", r) && !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return fmt.Errorf("secret alphabet: %q may break config files or phones: use letters, digits and -_.~", r)
		}
		if seen[r] {
			return fmt.Errorf("secret alphabet: %q is there twice", r)
		}
		seen[r] = true
	}
	if len(seen) < 10 {
		return fmt.Errorf("secret alphabet: %d characters: must be at least 10", len(seen))
	}
	return nil
}

// generate draws a secret, each character with the same chance. It begins with
// a letter or digit so that no file or command reads it as an option.
func (o SecretOptions) generate() (string, error) {
	n := big.NewInt(int64(len(o.Alphabet)))
	for {
		b := make([]byte, o.Length)
		for i := range b {
			k, err := rand.Int(rand.Reader, n) // rejects instead of folding: no modulo bias
			if err != nil {
				return "", fmt.Errorf("draw a secret: %w", err)
			}
			b[i] = o.Alphabet[k.Int64()]
		}
		if !strings.ContainsRune("-_.~", rune(b[0])) { // a valid alphabet has 6 others at least
			return string(b), nil
		}
	}
}

// digest is the H(A1) of RFC 7616 section 3.4.2 in hexadecimal, for the names
// of algorithms that password_digest knows.
func digest(algorithm, user, realm, secret string) (string, error) {
	a1 := []byte(user + ":" + realm + ":" + secret)
	switch strings.ToUpper(algorithm) {
	case "MD5":
		h := md5.Sum(a1)
		return hex.EncodeToString(h[:]), nil
	case "SHA-256":
		h := sha256.Sum256(a1)
		return hex.EncodeToString(h[:]), nil
	case "SHA-512-256":
		h := sha512.Sum512_256(a1)
		return hex.EncodeToString(h[:]), nil
	}
	return "", fmt.Errorf("password_digest algorithm %q is not known: use MD5, SHA-256 or SHA-512-256", algorithm)
}

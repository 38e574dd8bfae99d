package orders

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Fingerprint stands for a password, or for a digest that Asterisk keeps of one. Nobody can
// guess the password from it without the SecretKey.
type Fingerprint string

// SecretKey makes fingerprints. Only this machine has it.
type SecretKey struct{ secret []byte }

// KeySize is the size of a secret in bytes: that of SHA-256's output (RFC 2104, section 3).
const KeySize = sha256.Size

// NewKey makes a key of a secret, which is random and which only this machine has.
func NewKey(secret []byte) SecretKey { return SecretKey{slices.Clone(secret)} }

// Sum is the fingerprint of a password or a digest.
func (k SecretKey) Sum(password string) Fingerprint {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(password))
	return Fingerprint(hex.EncodeToString(mac.Sum(nil)))
}

// Text is a list of fingerprints as a ledger keeps it.
func Text(list []Fingerprint) string {
	words := make([]string, len(list))
	for i, f := range list {
		words[i] = string(f)
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// ParseText reads what Text wrote.
func ParseText(s string) (list []Fingerprint) {
	for word := range strings.FieldsSeq(s) {
		list = append(list, Fingerprint(word))
	}
	return list
}

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

// Sum is the fingerprint of a password or a digest. It begins with what tells keys apart.
func (k SecretKey) Sum(password string) Fingerprint {
	return Fingerprint(k.mac("key\n")[:8] + "-" + k.mac("password\n"+password))
}

func (k SecretKey) mac(text string) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// sameKey says whether two fingerprints were made with one key. Others cannot be compared.
func (f Fingerprint) sameKey(other Fingerprint) bool {
	key, _, _ := strings.Cut(string(f), "-")
	others, _, _ := strings.Cut(string(other), "-")
	return key == others || !strings.Contains(string(f), "-") || !strings.Contains(string(other), "-")
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

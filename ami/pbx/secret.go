package pbx

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// alphabet is what every phone's keypad, web page and provisioning file accepts,
// without the look-alikes 0 O o 1 l I i.
const alphabet = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// newSecret draws a secret, each character with the same chance.
func newSecret(length int) (string, error) {
	n := big.NewInt(int64(len(alphabet)))
	b := make([]byte, length)
	for i := range b {
		k, err := rand.Int(rand.Reader, n) // rejects instead of folding: no modulo bias
		if err != nil {
			return "", fmt.Errorf("draw a secret: %w", err)
		}
		b[i] = alphabet[k.Int64()]
	}
	return string(b), nil
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

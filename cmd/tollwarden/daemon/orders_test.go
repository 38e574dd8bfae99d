package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// The key of fingerprints is for its owner only, and survives; one that others could read
// does not.
func TestKeyOfFingerprints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, fresh, err := readKey(path)
	if err != nil || !fresh || len(first) != orders.KeySize {
		t.Fatal(fresh, err)
	}
	if again, fresh, err := readKey(path); err != nil || fresh || !bytes.Equal(again, first) {
		t.Error("the key does not survive", fresh, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if other, fresh, err := readKey(path); err != nil || !fresh || bytes.Equal(other, first) {
		t.Error("a key that others could read stays", err)
	}
	if secret, _, err := readKey(filepath.Join(path, "absent")); err == nil || len(secret) != orders.KeySize {
		t.Error("a file that cannot be written is no error, or leaves no key", err)
	}
}

// What is not in force makes status fail, and says what to do; a lock that the daemon
// enforces itself does not.
func TestBrokenOrdersFailTheCheck(t *testing.T) {
	now := time.Now()
	order := func(kind orders.Kind, state orders.State) orders.Order {
		return orders.Order{Account: "1006", Kind: kind, State: state, Reason: "the old password was back again", Since: now}
	}
	for _, c := range []struct {
		order orders.Order
		ok    bool
		words []string
	}{
		{order(orders.Rotate, orders.GaveUp), false, []string{"the changed password of 1006: gave up", "from unknown places are ended", "Another program", "tollwarden unlock 1006"}},
		{order(orders.Rotate, orders.CannotPutBack), false, []string{"Change the password where it is kept", "tollwarden rotate 1006"}},
		{order(orders.Restrict, orders.CannotPutBack), false, []string{"It is tried again"}},
		{order(orders.Lock, orders.GaveUp), false, []string{"ends its calls itself"}},
		{order(orders.Lock, orders.CannotPutBack), true, nil},
	} {
		check := checkOrders(now, responder.Senses{Broken: []orders.Order{c.order}})
		if check.OK != c.ok {
			t.Errorf("%s: %+v", c.order.Words(), check)
		}
		text := orderAlarm(now, contain.News{Order: c.order}).Text
		for _, w := range c.words {
			if !strings.Contains(check.Detail, w) || !strings.Contains(text, w) {
				t.Errorf("%q and %q lack %q", check.Detail, text, w)
			}
		}
	}
	if check := checkOrders(now, responder.Senses{}); !check.OK {
		t.Errorf("%+v", check)
	}
}

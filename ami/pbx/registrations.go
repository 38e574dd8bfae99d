package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// registrations removes an account's registrations and sees in the inventory
// what is left.
type registrations struct {
	asterisk  asterisk
	inventory inventory
	rounds    int // see Options.Rounds
}

// expired is what became of an account's registrations.
type expired struct {
	removed   int      // registrations that are gone
	permanent []string // contacts of the configuration, which stay: URIs, or "host …" for a chan_sip peer with a fixed address
}

// String is what was done, in words.
func (e expired) String() string {
	words := incident.Count(e.removed, "registration") + " removed"
	if len(e.permanent) > 0 {
		words += "; still there, because Asterisk's configuration holds them: " + strings.Join(e.permanent, ", ")
	}
	return words
}

// RemoveRegistrations removes every registration of the account on all technologies
// and repeats until Asterisk lists none, since a phone may register again in
// between. An account without registrations is no error. Contacts in the
// configuration stay; detail names them. It goes on when the session breaks.
func (r *registrations) RemoveRegistrations(ctx context.Context, account string) (detail string, err error) {
	var done expired
	err = again(ctx, func() error {
		e, err := r.expire(ctx, account)
		done = expired{done.removed + e.removed, e.permanent}
		return err
	})
	return done.String(), err
}

func (r *registrations) expire(ctx context.Context, account string) (expired, error) {
	a, err := r.asterisk.find(ctx, account)
	if err != nil {
		return expired{}, fmt.Errorf("remove registrations: %w", err)
	}
	var done expired
	if a.endpoint != nil {
		done.permanent = a.endpoint.permanent
		n, err := r.expirePJSIP(ctx, a)
		if done.removed += n; err != nil {
			return done, fmt.Errorf("remove registrations of PJSIP endpoint %s: %w", account, err)
		}
	}
	if a.peer != nil {
		if a.peer.Get("Dynamic") != "Y" {
			done.permanent = append(done.permanent, "host "+a.peer.Get("Address-IP"))
		} else if n, err := r.expireSIP(ctx, account); err != nil {
			done.removed += n
			return done, fmt.Errorf("remove registration of chan_sip peer %s: %w", account, err)
		} else {
			done.removed += n
		}
	}
	if a.iax != nil && a.iax.peer {
		if !a.iax.dynamic {
			done.permanent = append(done.permanent, "host "+a.iax.at.Addr().String()+" (IAX2)")
			return done, nil
		}
		n, err := r.expireIAX(ctx, account)
		if done.removed += n; err != nil {
			return done, fmt.Errorf("remove registration of IAX2 peer %s: %w", account, err)
		}
	}
	return done, nil
}

// errComingBack reports a phone that registers faster than it can be removed.
var errComingBack = errors.New("registrations keep coming back: rotate the secret first")

// expirePJSIP deletes the rows of the account's contacts from Asterisk's own
// database, where res_pjsip reads them for every use. There is no other action
// that deletes a contact.
func (r *registrations) expirePJSIP(ctx context.Context, a *account) (int, error) {
	gone := map[string]bool{}
	for round := range r.rounds {
		if err := pause(ctx, round); err != nil {
			return len(gone), err
		}
		all, err := r.inventory.pjsipRegistered(ctx)
		if err != nil {
			return len(gone), err
		}
		left := slices.DeleteFunc(all, func(c registration) bool {
			return c.account != a.name && !slices.Contains(a.endpoint.aors, c.aor)
		})
		if len(left) == 0 {
			return len(gone), nil
		}
		for _, c := range left {
			if err := r.deleteContact(ctx, c); err != nil {
				return len(gone), err
			}
			gone[c.object] = true
		}
	}
	return len(gone), errComingBack
}

// deleteContact removes one contact. Family and key are how sorcery's astdb
// wizard stores a contact (res_sorcery_astdb.c).
func (r *registrations) deleteContact(ctx context.Context, c registration) error {
	_, err := goami.DBDel(ctx, r.asterisk.session(), "", "registrar", "contact/"+c.object)
	if err == nil || !answered(err, "Database entry could not be deleted") {
		return err
	}
	s, err := r.asterisk.stores(ctx)
	if err != nil {
		return err
	}
	if s.contactFamily == "" {
		return nil // it expired meanwhile; the next round tells
	}
	if checkAccount(c.aor) != nil || checkName(s.contactFamily) != nil {
		return fmt.Errorf("contact of %q in realtime family %q: %w", c.aor, s.contactFamily, ErrUnsafeName)
	}
	id := strings.Replace(c.object, ";", "^3B", 1)
	if _, err := r.asterisk.command(ctx, "realtime destroy "+s.contactFamily+" id "+cliArgument(id)); err != nil {
		return fmt.Errorf("realtime destroy in %s: %w", s.contactFamily, err)
	}
	return nil
}

// expireSIP unregisters a chan_sip peer and checks that its address is gone.
func (r *registrations) expireSIP(ctx context.Context, name string) (int, error) {
	n := 0
	for round := range r.rounds {
		if err := pause(ctx, round); err != nil {
			return n, err
		}
		p, err := r.asterisk.sipPeer(ctx, name)
		if err != nil {
			return n, err
		}
		if _, registered := readSIPContact(name, p); !registered {
			return n, nil
		}
		if _, err := r.asterisk.command(ctx, "sip unregister "+cliArgument(name)); err != nil {
			return n, err
		}
		n = 1
	}
	return n, errComingBack
}

package contain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// officePBX is a PBX whose configuration other programs write, too: it is the ports Accounts and
// Standing of one account, 1002.
type officePBX struct {
	*asterisk
	context, permit, password string
	vault                     string // the newest password that we set
	gone                      bool
	reloads                   int
	down                      error // nothing can be written
	unreachable               error
	unread                    string // an account that cannot be read
	overtaken                 int    // repairs after which the old password is back at once
	unrotatable               error  // a rotation would fail before anything is written
	evicted                   int
}

func newOffice() *officePBX {
	return &officePBX{asterisk: &asterisk{}, context: "internal", password: "stolen"}
}

func (o *officePBX) Rotate(ctx context.Context, account string) (string, error) {
	_ = o.ask("rotate %s", account)
	if o.down != nil {
		return "", o.down
	}
	o.vault = fmt.Sprintf("ours-%d", o.times("rotate 1002"))
	o.password = o.vault
	return "in pjsip.conf", nil
}

func (o *officePBX) RestorePassword(ctx context.Context, account string) (string, error) {
	_ = o.ask("restore %s", account)
	if o.down != nil {
		return "", o.down
	}
	o.password = o.vault
	if o.overtaken > 0 {
		o.overtaken--
		o.password = "stolen"
	}
	return "in pjsip.conf again", nil
}

func (o *officePBX) Lock(ctx context.Context, account string) (was, detail string, err error) {
	_ = o.ask("lock %s", account)
	if o.down != nil {
		return "", "", o.down
	}
	if o.context != orders.LockedContext {
		was = "PJSIP=" + o.context
	}
	o.context = orders.LockedContext
	return was, "locked", nil
}

func (o *officePBX) Unlock(ctx context.Context, account, was string) (string, error) {
	o.context = strings.TrimPrefix(was, "PJSIP=")
	return "unlocked", nil
}

func (o *officePBX) Restrict(ctx context.Context, account string, to []netip.Prefix) (string, error) {
	o.permit = incident.PrefixesText(to)
	return "restricted", o.ask("restrict %s", account)
}

func (o *officePBX) Unrestrict(ctx context.Context, account string, to []netip.Prefix) (string, error) {
	o.permit = ""
	return "unrestricted", nil
}

func (o *officePBX) Live(_ context.Context, account string) (orders.Live, error) {
	if account == o.unread {
		return orders.Live{}, errors.New("an auth object of the endpoint does not exist")
	}
	return orders.Live{
		Gone: o.gone, Contexts: map[string]string{"PJSIP": o.context}, Permits: map[string]string{"PJSIP": o.permit},
		Passwords: []orders.Fingerprint{orders.Fingerprint("#" + o.password)},
	}, o.unreachable
}

func (o *officePBX) Round(bool) func(context.Context, string) (orders.Live, error) { return o.Live }

func (o *officePBX) ReloadedAt(context.Context) (string, error) { return fmt.Sprint(o.reloads), nil }

func (o *officePBX) Rotatable(context.Context, string) error { return o.unrotatable }

func (o *officePBX) Isolate(context.Context) (int, error) { return 0, nil }

func (o *officePBX) RemoveTraces(_ context.Context, account string) (string, error) {
	return "", o.ask("remove-traces %s", account)
}

func (o *officePBX) Evict(_ context.Context, account string, _ func(netip.Addr) bool, _ func() []string) (int, []string, error) {
	o.evicted++
	return 0, nil, nil
}

// kept is a site with a Keeper, whose time is that of a synctest bubble.
type kept struct {
	*site
	office *officePBX
	keeper *Keeper
	news   []string
	alarms int
	paused bool
}

func keep(t *testing.T, test func(t *testing.T, k *kept)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{site: newSite(RestrictRule{}), office: newOffice()}
		k.pbx = k.office.asterisk
		k.Runner.calls, k.Runner.accounts = k.office, k.office
		k.keeper = k.Runner.Keep(KeeperOptions{
			Standing: k.office,
			Stranger: func(_, _ time.Time, _ string, _ netip.Addr) bool { return true },
			Paused:   func(time.Time) bool { return k.paused },
			Tell: func(n News) {
				k.news = append(k.news, n.Order.Words())
				if n.Alarm {
					k.alarms++
				}
			},
		})
		test(t, k)
	})
}

// pass lets time go by, with a look each second.
func (k *kept) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(lookEvery)
		k.keeper.look(t.Context())
	}
}

func (k *kept) state(kind orders.Kind) orders.State {
	return k.orders[orders.Key{Account: "1002", Kind: kind}].State
}

// What another program undoes is put back within two seconds, and who came in with the old
// password meanwhile is out.
func TestKeeperPutsBack(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		ctx := t.Context()
		if _, err := k.Rotate(ctx, "1002", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Lock(ctx, "1002", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Runner.restrict(ctx, "1002", []netip.Prefix{office}, 41); err != nil {
			t.Fatal(err)
		}
		k.pass(t, 3*time.Minute)
		if n := k.pbx.times("rotate 1002") + k.pbx.times("lock 1002") + k.pbx.times("restrict 1002") + k.pbx.times("restore 1002"); n != 3 {
			t.Errorf("nothing was undone: %s", k.pbx.asked())
		}
		k.office.password, k.office.context, k.office.permit = "stolen", "internal", ""
		k.office.reloads++
		k.pass(t, 2*time.Second)
		if k.office.password != "ours-1" || k.office.context != orders.LockedContext || k.office.permit != office.String() || k.office.evicted != 1 {
			t.Errorf("%+v", k.office)
		}
		if len(k.news) != 3 || k.alarms != 0 || k.state(orders.Rotate) != orders.InForce {
			t.Errorf("%q, %d alarms, %s", k.news, k.alarms, k.state(orders.Rotate))
		}
	})
}

// A person who has the last word keeps it: a third password, an unlock, another rotation.
func TestKeeperYieldsToAPerson(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		ctx := t.Context()
		for _, do := range []func(context.Context, string, uint32) (string, error){k.Rotate, k.Rotate, k.Lock} {
			if _, err := do(ctx, "1002", 0); err != nil {
				t.Fatal(err)
			}
			k.pass(t, time.Minute)
		}
		k.office.password = "ours-1" // an older backup
		k.pass(t, 2*time.Minute)
		if k.office.password != "ours-2" {
			t.Errorf("the password is %s", k.office.password)
		}
		if _, err := k.Unlock(ctx, "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.office.password = "a person's"
		k.office.reloads++
		k.pass(t, 2*time.Minute)
		if k.office.password != "a person's" || k.office.context != "internal" || k.state(orders.Rotate) != orders.Ended || k.state(orders.Lock) != "" || k.alarms != 1 {
			t.Errorf("%+v, %v, %d alarms", k.office, k.orders, k.alarms)
		}
	})
}

// Another program that fights us: three repairs, one alarm, and strangers are ended from then
// on; until a person says unlock.
func TestKeeperGivesUp(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Rotate(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			k.office.password = "stolen"
			k.office.reloads++
			k.pass(t, time.Minute)
		}
		if n := k.pbx.times("restore 1002"); n != orders.MaxRepairs || k.alarms != 1 || k.state(orders.Rotate) != orders.GaveUp {
			t.Errorf("%d repairs, %d alarms, %s", n, k.alarms, k.state(orders.Rotate))
		}
		before := k.office.evicted
		k.pass(t, 10*time.Second)
		if k.office.evicted-before < 9 {
			t.Errorf("strangers were ended %d times", k.office.evicted-before)
		}
		if _, err := k.Unlock(t.Context(), "1002", 0); err != nil {
			t.Error(err)
		}
		k.pass(t, 2*time.Hour)
		if n := k.pbx.times("restore 1002"); n != orders.MaxRepairs || len(k.book().Broken()) != 0 {
			t.Errorf("after unlock: %d repairs, %v", n, k.book().Broken())
		}
	})
}

func (k *kept) book() *orders.Book { return &k.Runner.state.Orders }

// What an incident asked for and what failed is tried again until it holds.
func TestKeeperRetriesWhatFailed(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		k.office.down = errors.New("no space left on device")
		i := breakIn(incident.StepRotate)
		i.ID = 41
		k.Runner.contain(t.Context(), newJob(i, 0))
		if states(i) != "rotate failed" || k.state(orders.Rotate) != orders.CannotPutBack {
			t.Fatalf("%s, %s", states(i), k.state(orders.Rotate))
		}
		k.pass(t, 30*time.Minute)
		tries := k.pbx.times("rotate 1002")
		if tries < 4 || tries > 8 || k.office.evicted < 1000 {
			t.Errorf("%d tries, strangers ended %d times", tries, k.office.evicted)
		}
		k.office.down = nil
		k.pass(t, 11*time.Minute)
		if k.office.password == "stolen" || k.state(orders.Rotate) != orders.InForce {
			t.Errorf("%s, %s", k.office.password, k.state(orders.Rotate))
		}
		if _, err := k.Rotate(t.Context(), "1003", 0); err != nil {
			t.Error(err)
		}
	})
}

// What would fail before anything is written is not tried, so that the file of passwords does
// not fill with those that never came into force.
func TestKeeperTriesNothingInVain(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		k.office.down = errors.New("the file is generated by another program")
		k.office.unrotatable = k.office.down
		i := breakIn(incident.StepRotate)
		k.Runner.contain(t.Context(), newJob(i, 0))
		k.pass(t, time.Hour)
		if n := k.pbx.times("rotate 1002"); n != 1 || k.state(orders.Rotate) != orders.CannotPutBack {
			t.Errorf("tried %d times, %s", n, k.state(orders.Rotate))
		}
		k.office.down, k.office.unrotatable = nil, nil
		k.pass(t, 11*time.Minute)
		if k.state(orders.Rotate) != orders.InForce || k.office.password == "stolen" {
			t.Errorf("%s, %s", k.state(orders.Rotate), k.office.password)
		}
	})
}

// A second thief who has the password that we set: that it cannot be changed is no reason to
// believe that all is well.
func TestKeeperReplacesAStolenPasswordOfOurs(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Rotate(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.pass(t, time.Hour)
		k.office.down = errors.New("no space left on device")
		i := breakIn(incident.StepRotate)
		i.ID, i.At = 42, time.Now()
		k.Runner.contain(t.Context(), newJob(i, 0))
		k.pass(t, 10*time.Minute)
		if states(i) != "rotate failed" || k.state(orders.Rotate) != orders.CannotPutBack || k.office.password != "ours-1" {
			t.Fatalf("%s, %s, %s", states(i), k.state(orders.Rotate), k.office.password)
		}
		k.office.down = nil
		k.pass(t, 11*time.Minute)
		fresh := k.office.password
		if fresh == "ours-1" || fresh == "stolen" || k.state(orders.Rotate) != orders.InForce {
			t.Errorf("%s, %s", fresh, k.state(orders.Rotate))
		}
		k.office.password = "ours-1"
		k.pass(t, 2*time.Minute)
		if k.office.password != fresh {
			t.Errorf("%s is back", k.office.password)
		}
	})
}

// A program that brings the old password back right after a repair does not make it ours.
func TestKeeperOvertaken(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Rotate(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.pass(t, time.Minute)
		k.office.password, k.office.overtaken = "stolen", 1
		k.pass(t, 5*time.Second)
		if k.office.password != "ours-1" || k.pbx.times("restore 1002") != 2 || k.pbx.times("rotate 1002") != 1 {
			t.Errorf("%s after %s", k.office.password, k.pbx.asked())
		}
	})
}

// The same for a person's rotation, whose repair fails then: it is not tried each second.
func TestKeeperOvertakenAtOnce(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Rotate(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		o := k.book().Get("1002", orders.Rotate)
		k.office.password, k.office.down = "stolen", errors.New("no space left on device")
		o.Set([]orders.Fingerprint{"#stolen"})
		k.pass(t, 10*time.Minute)
		if n := k.pbx.times("rotate 1002"); n < 3 || n > 8 || k.state(orders.Rotate) != orders.CannotPutBack {
			t.Errorf("%d tries, %s", n, k.state(orders.Rotate))
		}
	})
}

// An account that cannot be read leaves the others what was ordered.
func TestKeeperGoesOnAfterAnAccountItCannotRead(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Lock(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.office.unread = "1001"
		k.book().Put(orders.New(time.Now(), "1001", orders.Lock, 0, nil))
		k.pass(t, 30*time.Second)
		k.office.context = "internal"
		k.pass(t, 2*time.Second)
		if k.office.context != orders.LockedContext || k.pbx.times("lock 1001") != 0 {
			t.Errorf("in %s; %s", k.office.context, k.pbx.asked())
		}
	})
}

// A person who ends an order while it is about to be put back has the last word.
func TestKeeperDoesNotRepairWhatAPersonEnded(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Lock(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		found := finding{order: *k.book().Get("1002", orders.Lock), do: orders.Repair}
		end := k.Runner.begin("1002")
		k.keeper.act(t.Context(), found)
		end()
		if _, err := k.Unlock(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.keeper.act(t.Context(), found)
		if k.office.context != "internal" || k.pbx.times("lock 1002") != 1 {
			t.Errorf("in %s; %s", k.office.context, k.pbx.asked())
		}
	})
}

// A person who asks in vain has been told, and nothing is tried behind their back.
func TestFailedOrderOfAPersonIsNotRetried(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		k.office.down = errors.New("no space left on device")
		if _, err := k.Rotate(t.Context(), "1002", 0); err == nil {
			t.Fatal("rotated")
		}
		k.pass(t, time.Hour)
		if n := k.pbx.times("rotate 1002"); n != 1 {
			t.Errorf("%d tries", n)
		}
	})
}

// A lock that cannot be put back is enforced by the daemon itself.
func TestLockThatCannotBePutBackIsEnforced(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Lock(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.office.context, k.office.down = "internal", errors.New("read-only file system")
		k.pass(t, time.Minute)
		if !k.Runner.state.Locks.Enforced("1002") || k.state(orders.Lock) != orders.CannotPutBack || k.alarms != 1 {
			t.Errorf("enforced %v, %s, %d alarms", k.Runner.state.Locks.Enforced("1002"), k.state(orders.Lock), k.alarms)
		}
		k.office.down = nil
		k.pass(t, 11*time.Minute)
		if k.office.context != orders.LockedContext || k.Runner.state.Locks.Enforced("1002") {
			t.Errorf("in %s, enforced %v", k.office.context, k.Runner.state.Locks.Enforced("1002"))
		}
		if _, err := k.Unlock(t.Context(), "1002", 0); err != nil || k.office.context != "internal" {
			t.Errorf("unlocked: %v, %s", err, k.office.context)
		}
	})
}

// An account that is deleted leaves nothing behind.
func TestKeeperForgetsAnAccountThatIsGone(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Lock(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.office.gone = true
		k.pass(t, 20*time.Second)
		if k.pbx.times("remove-traces 1002") > 0 {
			t.Error("after 20 seconds it may still be a reload")
		}
		k.pass(t, time.Minute)
		if _, locked := k.Runner.state.Locks.Get("1002"); locked || k.state(orders.Lock) != orders.Gone || k.pbx.times("remove-traces 1002") != 1 || len(k.holds) > 0 {
			t.Errorf("locked %v, %s, %s, %v", locked, k.state(orders.Lock), k.pbx.asked(), k.holds)
		}
	})
}

// Nothing is done during a pause, nor concluded while Asterisk cannot be asked.
func TestKeeperWaits(t *testing.T) {
	keep(t, func(t *testing.T, k *kept) {
		if _, err := k.Lock(t.Context(), "1002", 0); err != nil {
			t.Fatal(err)
		}
		k.office.context, k.paused = "internal", true
		k.pass(t, time.Minute)
		k.paused, k.office.unreachable = false, errors.New("no session")
		k.pass(t, time.Minute)
		if n := k.pbx.times("lock 1002"); n != 1 {
			t.Errorf("locked %d times", n)
		}
		k.office.unreachable = nil
		k.pass(t, 2*time.Second)
		if n := k.pbx.times("lock 1002"); n != 2 || !slices.Equal(k.book().Accounts(), []string{"1002"}) {
			t.Errorf("locked %d times", n)
		}
	})
}

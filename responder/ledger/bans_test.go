package ledger

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestBans(t *testing.T) {
	hand := incident.Ban{Prefix: prefix("2001:db8:7::/64"), Since: noon, Reason: "by hand", Origin: incident.OriginOperator, Scope: incident.ScopeSIP, Step: incident.StepUnknown}
	over := incident.Ban{
		Prefix: prefix("203.0.113.0/24"), Since: noon.Add(-time.Hour), Until: noon.Add(-time.Minute), Reason: "scan", Origin: "scan",
		Offence: 2, Incident: 7, Scope: incident.ScopeAll, Step: incident.StepUnknown,
	}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		unmasked := hand
		unmasked.Prefix = netip.PrefixFrom(hand.Prefix.Addr().Next(), 64)
		l.PutBan(unmasked)
		l.PutBan(over)
		l.PutBan(guesser(1))
	}, func(t *testing.T, l *Ledger) {
		same(t, "in force", inForce(t, l, noon), []incident.Ban{guesser(1), hand})
		same(t, "in force when all but forever ran out", inForce(t, l, noon.Add(time.Hour)), []incident.Ban{hand})
		same(t, "history", history(t, l), episodes(guesser(1), hand, over))
	})
}

func TestBanEpisodes(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	ban := func(since, until int) incident.Ban {
		b := guesser(1)
		b.Since, b.Until = at(since), at(until)
		return b
	}
	ended := func(b incident.Ban, m int, by string) episode { return episode{b, at(m), by} }
	put := func(b incident.Ban) func(*Ledger) { return func(l *Ledger) { l.PutBan(b) } }
	del := func(m int, by string) func(*Ledger) {
		return func(l *Ledger) { l.DeleteBan(source(1), at(m), by) }
	}
	for _, tt := range []struct {
		name    string
		do      []func(*Ledger)
		inForce []incident.Ban // after five minutes
		history []episode
	}{
		{"refreshed", []func(*Ledger){put(ban(0, 60)), put(ban(0, 90))}, []incident.Ban{ban(0, 90)}, []episode{{Ban: ban(0, 90)}}},
		{"released", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0")}, nil, []episode{ended(ban(0, 60), 2, "uid 0")}},
		{"released twice", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0"), del(3, "uid 7")}, nil, []episode{ended(ban(0, 60), 2, "uid 0")}},
		{"released and banned again", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0"), put(ban(3, 60))}, []incident.Ban{ban(3, 60)}, []episode{{Ban: ban(3, 60)}, ended(ban(0, 60), 2, "uid 0")}},
		{"the same put again after its release", []func(*Ledger){put(ban(0, 60)), del(2, "uid 0"), put(ban(0, 60))}, []incident.Ban{ban(0, 60)}, []episode{{Ban: ban(0, 60)}}},
		{"banned again before it ran out", []func(*Ledger){put(ban(0, 60)), put(ban(4, 90))}, []incident.Ban{ban(4, 90)}, []episode{{Ban: ban(4, 90)}, ended(ban(0, 60), 4, "replaced")}},
		{"banned again after it ran out", []func(*Ledger){put(ban(0, 2)), put(ban(4, 90))}, []incident.Ban{ban(4, 90)}, []episode{{Ban: ban(4, 90)}, {Ban: ban(0, 2)}}},
		{"released after it ran out", []func(*Ledger){put(ban(0, 2)), del(3, "uid 0")}, nil, []episode{{Ban: ban(0, 2)}}},
		{"released though never banned", []func(*Ledger){del(3, "uid 0")}, nil, nil},
		{"the clock was set back", []func(*Ledger){put(ban(4, 60)), put(ban(1, 30))}, []incident.Ban{ban(1, 30)}, []episode{ended(ban(4, 60), 1, "replaced"), {Ban: ban(1, 30)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inEachMoment(t, func(_ *testing.T, l *Ledger) {
				for _, do := range tt.do {
					do(l)
				}
			}, func(t *testing.T, l *Ledger) {
				same(t, "in force", inForce(t, l, at(5)), tt.inForce)
				same(t, "history", history(t, l), tt.history)
			})
		})
	}
}

func TestOffences(t *testing.T) {
	l := open(t, file(t))
	l.AddOffence(prefix("192.0.2.7/32"), noon.Add(-48*time.Hour))
	l.AddOffence(prefix("192.0.2.7/32"), noon)
	l.AddOffence(prefix("192.0.2.7/32"), noon) // the same
	l.AddOffence(prefix("2001:db8::1/64"), noon.Add(time.Second))
	l.AddOffence(prefix("192.0.2.8/32"), noon)
	l.ForgetOffences(prefix("192.0.2.8/32"))
	later := Record{prefix("2001:db8::/64"), 1, noon.Add(time.Second)}
	same(t, "all", records(t, l, time.Time{}), []Record{{prefix("192.0.2.7/32"), 2, noon}, later})
	same(t, "at noon and later", records(t, l, noon), []Record{{prefix("192.0.2.7/32"), 1, noon}, later})
	same(t, "after noon", records(t, l, noon.Add(time.Millisecond)), []Record{later})
}

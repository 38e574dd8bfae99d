package test

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// An exit is one way to make the PBX call a number that is forbidden.
type exit struct {
	name  string
	cause string // account or origin
	only  lab.Version
	take  func(x *exits)
}

const satellite = "00881612345678"

// exitsFromBritain are the ways to call a satellite or a premium number.
var exitsFromBritain = []exit{
	{"a call forward in the PBX, for a caller from outside", "1004", "", func(x *exits) {
		x.cli("database put CF 1004 " + satellite)
		x.refused(x.carrier, "1004")
	}},
	{"a call forward in the phone, for a caller from outside", "1005", "", func(x *exits) {
		x.diverted.Forward(satellite)
		x.refused(x.carrier, "1005")
	}},
	{"a call forward, for a colleague", "1004", "", func(x *exits) { x.refused(x.anna, "1004") }},
	{"DISA", "trunk/carrier", "", func(x *exits) { x.presses(x.carrier, x.carriers, "601", "77#") }},
	{"voicemail that dials", "trunk/carrier", lab.Asterisk22, func(x *exits) { x.presses(x.carrier, x.carriers, "602", "3477#") }},
	{"Originate to the trunk", "pbx/itself", "", func(x *exits) {
		x.originate(x.lab.Technology()+"/"+satellite+"@carrier", "Application: Wait\r\nData: 5")
	}},
	{"Originate to a URI at the trunk", "pbx/itself", lab.Asterisk22, func(x *exits) {
		x.originate("PJSIP/carrier/<SIP:"+satellite+"@"+trunkAddress+":5060>", "Application: Wait\r\nData: 5")
	}},
	{"Originate to the trunk through a proxy", "pbx/itself", lab.Asterisk16, func(x *exits) {
		x.originate("SIP/"+satellite+"@carrier//"+trunkAddress, "Application: Wait\r\nData: 5")
	}},
	{"Originate to an emergency number, with another in To", "pbx/itself", lab.Asterisk16, func(x *exits) {
		x.originate("SIP/112@carrier!"+satellite+"@"+trunkAddress, "Application: Wait\r\nData: 5")
	}},
	{"Originate through the dialplan", "pbx/itself", "", func(x *exits) {
		x.originate("Local/"+satellite+"@internal", "Application: Wait\r\nData: 5")
	}},
	{"click to dial", "1003", "", func(x *exits) {
		x.originate(x.lab.Technology()+"/1003", "Context: internal\r\nExten: "+satellite+"\r\nPriority: 1")
	}},
	{"click to dial, through the dialplan", "1003", "", func(x *exits) {
		x.originate("Local/1003@internal", "Context: internal\r\nExten: "+satellite+"\r\nPriority: 1")
	}},
	{"the console", "pbx/itself", "", func(x *exits) {
		x.cli("channel originate Local/" + satellite + "@internal application Wait 5")
	}},
	{"a call file", "pbx/itself", "", func(x *exits) { x.callFile("Local/" + satellite + "@internal") }},
	{"a blind transfer", "1002", "", func(x *exits) { x.must(x.call(x.thief, inBritain).Transfer(soon(x.t), satellite)) }},
	{"a blind transfer of a caller from outside", "1003", "", func(x *exits) {
		_, other := x.comesIn(x.bernard, "1003")
		x.must(other.Transfer(soon(x.t), satellite))
	}},
	{"a blind transfer by keys", "1002", "", func(x *exits) { x.presses(x.thief, x.office, "0045331234", "##77") }},
	{"an attended transfer by keys", "1002", "", func(x *exits) { x.presses(x.thief, x.office, "0045331234", "*277") }},
	{"a blind transfer to a short code", "1002", "", func(x *exits) { x.must(x.call(x.thief, inBritain).Transfer(soon(x.t), "77")) }},
	{"a blind transfer of a caller from outside to a short code", "1003", "", func(x *exits) {
		_, other := x.comesIn(x.bernard, "1003")
		x.must(other.Transfer(soon(x.t), "77"))
	}},
	{"a short code", "1002", "", func(x *exits) { x.refused(x.thief, "77") }},
	{"an account of IAX2", "2002", "", func(x *exits) { _, _ = x.iax.Call(soon(x.t), "77") }},
	{"a premium number that the dialplan rewrites", "1002", "", func(x *exits) { x.refused(x.thief, "09098790000") }},
	{"a guest, to a premium number", "", "", func(x *exits) { x.refused(x.guest, "09098790000") }},
	{"a guest, to a satellite", "", "", func(x *exits) { x.refused(x.guest, satellite) }},
}

// exitsFromAmerica are numbers that the dialplan rewrites.
var exitsFromAmerica = []exit{
	{"a satellite behind the outside line", "1002", "", func(x *exits) { x.refused(x.thief, "9011881612345678") }},
	{"the Caribbean, like a number within the country", "1002", "", func(x *exits) { x.refused(x.thief, "918095550123") }},
	{"the Caribbean by a short code", "1002", "", func(x *exits) { x.refused(x.thief, "78") }},
	{"a premium number", "1002", "", func(x *exits) { x.refused(x.thief, "919005550123") }},
}

// A call that leaves for a forbidden number is ended at the leg to the trunk, before that
// answers, whoever set it up, and the incident names who did. Ordinary calls that are up
// meanwhile stay up. TOLLWARDEN_LEGS=10 takes the quick ways so often, to measure.
func TestLegsToATrunkAreEnded(t *testing.T) {
	rounds, _ := strconv.Atoi(cmp.Or(os.Getenv("TOLLWARDEN_LEGS"), "1"))
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			x := newExits(t, v)
			quiet := x.quiet()
			x.takeAll(exitsFromBritain, rounds)
			x.warden.configure(exitRules("US"))
			if out, err := x.warden.tollwarden("reload", "--socket", x.warden.socket()); err != nil {
				t.Fatalf("reload: %v: %s", err, out)
			}
			x.takeAll(exitsFromAmerica, rounds)
			for who, c := range quiet {
				x.alive(who, c)
			}
			t.Logf("from DialBegin to Hangup, %s; the carrier answered %d", distribution(x.forbidden(0)), x.answers())
		})
	}
}

func (x *exits) takeAll(list []exit, rounds int) {
	for _, e := range list {
		if e.only != "" && e.only != x.lab.Version {
			continue
		}
		for range rounds {
			start := time.Now()
			legs, inTime := x.take(e)
			for tries := 1; !inTime && tries < 3; tries++ { // a busy machine may stand still for a moment
				legs, inTime = x.take(e)
			}
			x.t.Logf("%-55s in %6s %s", e.name, time.Since(start).Round(time.Millisecond), distribution(legs))
			if !inTime {
				x.t.Errorf("%s: a leg was late or answered, three times: %v", e.name, legs)
			}
			if time.Since(start) > 300*time.Millisecond {
				break // it takes long by itself
			}
		}
	}
}

// take takes one way out, and waits until it has come to an end. The leg is in time if it
// lasted half a second at most, and was not answered.
func (x *exits) take(e exit) (legs []leg, inTime bool) {
	before, endings, answers := len(x.watch.since(0)), x.endingsFor(e), x.answers()
	e.take(x)
	settled := 0 // an incident may come before its leg
	x.warden.wait(e.name+": an incident of "+e.cause+", and the end of the legs", 2*time.Second, func() bool {
		legs = x.forbidden(before)
		if settled++; x.endingsFor(e) == endings || slices.ContainsFunc(legs, func(l leg) bool { return l.took == 0 }) {
			settled = 0
		}
		return settled == 4
	})
	late := slices.ContainsFunc(legs, func(l leg) bool { return l.took > 500*time.Millisecond || l.answered })
	return legs, !late && x.answers() == answers
}

// endingsFor counts the ended legs of an exit's cause. On Asterisk 16 the second half of a Local
// channel can dial before anything says who dialled the first: then its leg is the PBX's own.
func (x *exits) endingsFor(e exit) int {
	n := x.endings(e.cause)
	if x.lab.Version == lab.Asterisk16 && e.cause != "pbx/itself" {
		n += x.endings("pbx/itself")
	}
	return n
}

// forbidden are the legs to forbidden numbers, from the n-th leg on.
func (x *exits) forbidden(n int) []leg {
	return slices.DeleteFunc(x.watch.since(n), func(l leg) bool { return !isForbidden(l.dialString) })
}

// answers counts the calls to forbidden numbers that the carrier has answered.
func (x *exits) answers() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, number := range x.answered {
		if isForbidden(number) {
			n++
		}
	}
	return n
}

func isForbidden(dialString string) bool {
	for _, number := range []string{"881612345678", "18095550123", "449098790000", "19005550123"} {
		if strings.Contains(dialString, number) {
			return true
		}
	}
	return false
}

// endings counts the calls that incidents about an account or origin have ended.
func (x *exits) endings(cause string) (n int) {
	for _, i := range x.warden.incidents() {
		for _, s := range i.Steps {
			if s.Step == incident.StepHangupCall && (i.Account == cause || cause == "") {
				n++
			}
		}
	}
	return n
}

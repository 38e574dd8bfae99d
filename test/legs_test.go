package test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// exitRoutes are the ways out of a PBX that thieves use: call forwards in its database, as
// FreePBX has them, DISA, voicemail that dials, short codes and numbers that the dialplan
// rewrites.
const exitRoutes = routes + `[internal](+)
exten => 1004,1,Dial(Local/${DB(CF/1004)}@internal/n,10)
 same => n,Hangup()
exten => 77,1,Dial(${TECHNOLOGY}/00881612345678@carrier,10)
 same => n,Hangup()
exten => 78,1,Dial(${TECHNOLOGY}/+18095550123@carrier,10)
 same => n,Hangup()
exten => 601,1,DISA(no-password,internal,,,p)
exten => 602,1,VoiceMailMain(1002@default,s)
exten => _0045X.,1,Dial(${TECHNOLOGY}/${EXTEN}@carrier,10,T)
 same => n,Hangup()
exten => _0[1-9]X.,1,Dial(${TECHNOLOGY}/+44${EXTEN:1}@carrier,10)
 same => n,Hangup()
exten => _9011X.,1,Dial(${TECHNOLOGY}/+${EXTEN:4}@carrier,10)
 same => n,Hangup()
exten => _91X.,1,Dial(${TECHNOLOGY}/+${EXTEN:1}@carrier,10)
 same => n,Hangup()
`

// exitConfig is the configuration of a PBX with these ways out.
func exitConfig(v lab.Version) lab.Options {
	o := lab.Options{
		Version: v,
		Append: map[string]string{
			"extensions.conf": exitRoutes,
			confFile(v):       carriers[v][confFile(v)],
			"manager.conf":    "[general](+)\ntimestampevents = yes\n",
			"modules.conf": "load = res_crypto.so\nload = chan_iax2.so\nload = res_clioriginate.so\nload = pbx_spool.so\nload = app_disa.so\n" +
				"load = codec_gsm.so\nload = format_gsm.so\n",
		},
		Files: map[string]string{
			"iax.conf":      "[general]\nauthdebug = yes\n[2002]\ntype = friend\nhost = dynamic\ncontext = internal\nsecret = lab-iax-2002\n",
			"features.conf": "[general]\n[featuremap]\nblindxfer = ##\natxfer = *2\n",
		},
	}
	if v == lab.Asterisk16 {
		o.Append["sip.conf"] += "[general](+)\nallowguest = yes\ncontext = internal\n"
		return o
	}
	o.Append["pjsip.conf"] += "[anonymous](phone)\n"
	o.Append["modules.conf"] += "load = app_voicemail.so\n"
	o.Files["voicemail.conf"] = "[general]\nformat = gsm\n[default]\n1002 => 4711,Anna,,,dialout=internal\n"
	return o
}

// endsForbidden is onlyForbidden for calls that no phone sets up, or that nobody logs in for,
// too.
const endsForbidden = onlyForbidden + `
[[threshold]]
name = "forbidden destination of the PBX"
per = "origin"
signals = { ForbiddenDestination = 1 }
score = 1
within = "1m"
playbook = "end call"
[[threshold]]
name = "anonymous call"
per = "account"
signals = { AnonymousCall = 1 }
score = 1
within = "1m"
playbook = "end call"
`

// exits is a PBX with a carrier, who answers after a tenth of a second, and a thief who has
// the password of 1002.
type exits struct {
	*exchange
	lab      *lab.Lab
	watch    *legWatch
	diverted *lab.Phone // 1005
	guest    *lab.Phone
	iax      *lab.IAXPhone
	carriers *lab.Host
	office   *lab.Host

	mu       sync.Mutex
	answered []string // numbers
}

func newExits(t *testing.T, v lab.Version) *exits {
	l := lab.New(t, exitConfig(v))
	x := &exits{exchange: &exchange{t: t}, lab: l, carriers: addHost(t, l, "carrier", trunkAddress)}
	phone := func(h *lab.Host, account string, port uint16) *lab.Phone {
		p, err := h.Phone(account, "none", lab.PhoneOptions{Port: port})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	x.carrier = phone(x.carriers, "carrier", 5060)
	x.guest = phone(addHost(t, l, "guest", guesserAddress), "guest", 0)
	office := addHost(t, l, "office", "198.51.100.10")
	x.office = office
	x.anna, x.bernard, x.thief, x.diverted = addPhone(t, office, "1001"), addPhone(t, office, "1003"), addPhone(t, office, "1002"), addPhone(t, office, "1005")
	for _, p := range []*lab.Phone{x.anna, x.bernard, x.thief, x.diverted} {
		register(t, p)
	}
	x.iax = iaxPhone(t, office, "2002", "lab-iax-2002")
	go func() {
		for c := range x.carrier.Incoming() {
			x.mu.Lock()
			x.answered = append(x.answered, c.Number)
			x.mu.Unlock()
		}
	}()
	x.warden = guardWith(t, l, exitRules("GB"))
	x.watch = watchLegs(t, l)
	x.carrier.Ring(100 * time.Millisecond)
	return x
}

func exitRules(country string) string {
	return "[calls]\ncountry = \"" + country + "\"\ndeny = [\"premium\", \"satellite\", \"DO\"]\n" + endsForbidden
}

// refused is a call that ought not to come about.
func (x *exits) refused(p *lab.Phone, number string) {
	ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
	defer cancel()
	if c, err := p.Call(ctx, number); err == nil {
		_ = c.Hangup(ctx)
	}
}

// presses is a call in which keys are pressed.
func (x *exits) presses(p *lab.Phone, h *lab.Host, number, keys string) {
	c, err := p.Call(soon(x.t), number)
	if err == nil {
		err = c.Press(soon(x.t), h, keys)
	}
	if err != nil {
		x.t.Errorf("%s: %v", number, err)
		return
	}
	x.t.Cleanup(func() {})
}

// comesIn is a call of a caller from outside to a phone, seen from both sides.
func (x *exits) comesIn(p *lab.Phone, number string) (caller, called *lab.Call) {
	x.t.Helper()
	for len(p.Incoming()) > 0 {
		<-p.Incoming()
	}
	caller = x.call(x.carrier, number)
	return caller, <-p.Incoming()
}

func (x *exits) cli(command string) {
	x.t.Helper()
	if out, err := x.lab.CLI(x.t.Context(), command); err != nil {
		x.t.Fatalf("%v: %s", err, out)
	}
}

// originate is the program's way: an AMI user that a web shell has added, and Originate.
func (x *exits) originate(channel, then string) {
	conn := manager(x.t, x.lab, "shell", "found-a-way-in")
	fmt.Fprintf(conn, "Action: Originate\r\nAsync: true\r\nChannel: %s\r\n%s\r\n\r\n", channel, then)
}

// callFile leaves a file to the PBX that has it call.
func (x *exits) callFile(channel string) {
	content := "Channel: " + channel + "\nMaxRetries: 0\nApplication: Wait\nData: 5\n"
	made := x.lab.Path("/var/spool/asterisk/out.call")
	err := os.WriteFile(made, []byte(content), 0o666)
	if err == nil {
		err = os.Rename(made, filepath.Join(filepath.Dir(made), "outgoing", "out.call"))
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

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
// meanwhile stay up. TOLLWARDEN_LEGS=20 takes each way so often, to measure.
func TestLegsToATrunkAreEnded(t *testing.T) {
	rounds, _ := strconv.Atoi(cmp.Or(os.Getenv("TOLLWARDEN_LEGS"), "1"))
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel() // it mostly waits
			x := newExits(t, v)
			l := x.lab
			x.thieve()
			if os.Getenv("ZZ") != "" {
				x.cli("logger add channel full verbose,notice,warning,dtmf")
				x.cli("core set verbose 4")
				t.Cleanup(func() {
					b, _ := os.ReadFile(l.Path("/var/log/asterisk/full"))
					os.WriteFile("/tmp/em-full-"+string(v)+".txt", b, 0o644)
				})
			}
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
			x.mu.Lock()
			for _, n := range x.answered {
				if forbiddenLeg(n) {
					t.Errorf("the carrier answered a call to %s", n)
				}
			}
			t.Logf("all: %s", distribution(x.watch.forbidden()))
			x.mu.Unlock()
		})
	}
}

// quiet sets up the calls of an ordinary office.
func (x *exits) quiet() map[string]*lab.Call {
	x.cli("database put CF 1004 00447700900123")
	abroad, inside := x.call(x.anna, "02079460001"), x.call(x.anna, "1003")
	forwarded := x.call(x.carrier, "1004")
	incoming, _ := x.comesIn(x.bernard, "1003")
	transferred, other := x.comesIn(x.bernard, "1003")
	x.must(other.Transfer(soon(x.t), "1001"))
	out := x.call(x.anna, inBritain)
	x.must(out.Transfer(soon(x.t), "1003"))
	return map[string]*lab.Call{
		"a call within the country": abroad, "an internal call": inside, "a call forward to a mobile": forwarded,
		"a caller from outside": incoming, "a caller who was transferred": transferred,
	}
}

// thieve adds a user to the manager interface, as a web shell does.
func (x *exits) thieve() {
	conf := x.lab.Path("/etc/asterisk/manager.conf")
	f, err := os.OpenFile(conf, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("\n[shell]\nsecret = found-a-way-in\nread = all\nwrite = originate\n")
		_ = f.Close()
	}
	if err != nil {
		x.t.Fatal(err)
	}
	x.cli("manager reload")
}

func (x *exits) takeAll(list []exit, rounds int) {
	for _, e := range list {
		if f := os.Getenv("ZZ"); f != "" && !strings.Contains(e.name, f) {
			continue
		}
		if e.only == "" || e.only == x.lab.Version {
			for range rounds {
				x.take(e)
			}
		}
	}
}

// take takes one way out, and waits until it has come to an end.
func (x *exits) take(e exit) {
	t := x.t
	start := time.Now()
	legs, before := len(x.watch.since(0)), x.endings(e.cause)
	e.take(x)
	var ended []leg
	over := func() bool {
		ended = ended[:0]
		for _, l := range x.watch.since(legs) {
			if forbiddenLeg(l.dialString) {
				ended = append(ended, l)
				if l.took == 0 {
					return false
				}
			}
		}
		return x.endings(e.cause) > before
	}
	settled := 0 // an incident may come before its leg
	for settled < 4 && time.Since(start) < 8*time.Second {
		time.Sleep(5 * time.Millisecond)
		if settled++; !over() {
			settled = 0
		}
	}
	if settled < 4 {
		t.Errorf("%s: no incident of %q, or legs that are up: %v", e.name, e.cause, ended)
		for _, i := range x.warden.incidents() {
			t.Logf("%s %q %s %s", i.Threshold, i.Account, i.Reason, i.At)
		}
		t.Log(strings.Join(x.watch.log, "\n"))
	}
	for _, l := range ended {
		if l.took > 500*time.Millisecond || l.answered {
			t.Errorf("%s: %s lasted %s, answered %v", e.name, l.dialString, l.took, l.answered)
		}
	}
	t.Logf("%-55s %s %s", e.name, time.Since(start).Round(time.Millisecond), distribution(ended))
	x.watch.mu.Lock()
	x.watch.log = nil
	x.watch.mu.Unlock()
}

func forbiddenLeg(dialString string) bool {
	for _, s := range []string{"881612345678", "18095550123", "449098790000", "19005550123"} {
		if strings.Contains(dialString, s) {
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

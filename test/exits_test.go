package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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
	x.addManager()
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
	}
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

// addManager adds a user to the manager interface, as a web shell does.
func (x *exits) addManager() {
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

package test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

const recordRoutes = `[internal](+)
exten => _0044X.,1,Dial(${TECHNOLOGY}/${EXTEN}@carrier,10)
 same => n,Hangup()
exten => _0088[12]X.,1,Dial(${TECHNOLOGY}/${EXTEN}@carrier,10)
 same => n,Hangup()
exten => _77X.,1,Dial(${TECHNOLOGY}/carrier/SIPURI00${EXTEN:2}HOST,10)
 same => n,Hangup()
exten => 1006,1,Dial(Local/${DB(CF/1006)}@internal/n,10)
 same => n,Hangup()
exten => 1007,1,Goto(internal,${DB(CF/1006)},1)
exten => 1008,1,FollowMe(mobile)
 same => n,Hangup()
exten => 600,1,Answer()
 same => n,Queue(sales,,,,8)
 same => n,Hangup()
exten => 601,1,Answer()
 same => n,DISA(no-password,internal)
exten => 700,1,ConfBridge(700)
exten => 710,1,Originate(${TECHNOLOGY}/00881612345678@carrier,exten,internal,700,1)
 same => n,Wait(2)
exten => _05X,1,Page(${TECHNOLOGY}/004420794600${EXTEN:1}@carrier&Local/0044207946099@internal,,5)
exten => _06X.,1,Dial(${TECHNOLOGY}/00${EXTEN:2}@nowhere&${TECHNOLOGY}/00${EXTEN:2}@carrier&Local/00${EXTEN:2}@internal/n,10)
`

func TestRecord(t *testing.T) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			a := map[string]string{}
			for k, val := range carriers[v] {
				a[k] = val
			}
			r := strings.ReplaceAll(recordRoutes, "SIPURI", "sip:")
			r = strings.ReplaceAll(r, "HOST", "@"+trunkAddress+":5060")
			if v == lab.Asterisk16 {
				r = strings.ReplaceAll(recordRoutes, "SIPURI", "")
				r = strings.ReplaceAll(r, "HOST", "")
			}
			a["extensions.conf"] = r
			a["modules.conf"] = "load = app_disa.so\nload = app_followme.so\nload = app_queue.so\nload = app_originate.so\nload = pbx_spool.so\nload = app_page.so\nload = chan_iax2.so\nload = res_musiconhold.so\nload = res_agi.so\nload=res_stasis.so\nload = app_userevent.so\nload = res_clioriginate.so\nload=format_wav.so\nload=format_gsm.so\n"
			a["followme.conf"] = "[mobile]\ncontext => internal\nnumber => 00881612345678,10\ntakecall => 1\ndeclinecall => 2\n"
			a["queues.conf"] = "[sales]\nstrategy = ringall\ntimeout = 5\nmember => " + map[lab.Version]string{lab.Asterisk22: "PJSIP", lab.Asterisk16: "SIP"}[v] + "/00442079460007@carrier\nmember => Local/00442079460008@internal/n\n"
			a["manager.conf"] = "[shell]\nsecret = shell\nread = none\nwrite = originate,call,system,command,reporting\n"
			a["features.conf"] = "[featuremap]\nblindxfer => #1\natxfer => *2\n"
			l := lab.New(t, lab.Options{Version: v, Append: a})
			tech := l.Technology()
			carrier, err := addHost(t, l, "carrier", trunkAddress).Phone("carrier", "none", lab.PhoneOptions{Port: 5060})
			if err != nil {
				t.Fatal(err)
			}
			carrier.Ring(100 * time.Millisecond)
			office := addHost(t, l, "office", "198.51.100.10")
			p2, p3 := addPhone(t, office, "1002"), addPhone(t, office, "1003")
			register(t, p2)
			register(t, p3)
			conn, err := l.PBX.Dial(t.Context(), "tcp", lab.AMIAddress)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var log bytes.Buffer
			go func() {
				b := make([]byte, 65536)
				for {
					n, err := conn.Read(b)
					mu.Lock()
					log.Write(b[:n])
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
			send := func(c net.Conn, lines ...string) { fmt.Fprint(c, strings.Join(lines, "\r\n")+"\r\n\r\n") }
			send(conn, "Action: Login", "Username: watcher", "Secret: "+lab.WatcherSecret)
			cmd, _ := l.PBX.Dial(t.Context(), "tcp", lab.AMIAddress)
			send(cmd, "Action: Login", "Username: shell", "Secret: shell", "Events: off")
			go func() {
				b := make([]byte, 65536)
				for {
					n, err := cmd.Read(b)
					if os.Getenv("AMIV") != "" {
						t.Log(string(b[:n]))
					}
					if err != nil {
						return
					}
				}
			}()
			time.Sleep(300 * time.Millisecond)
			_, _ = l.CLI(t.Context(), "database put CF 1006 00881612345678")
			dir := "/tmp/legs/" + string(v)
			_ = os.MkdirAll(dir, 0o755)
			scene := func(name string, f func()) {
				mu.Lock()
				log.Reset()
				mu.Unlock()
				f()
				time.Sleep(700 * time.Millisecond)
				list, _ := l.CLI(context.Background(), "core show channels concise")
				_, _ = l.CLI(context.Background(), "channel request hangup all")
				time.Sleep(300 * time.Millisecond)
				mu.Lock()
				_ = os.WriteFile(filepath.Join(dir, name+".txt"), log.Bytes(), 0o644)
				_ = os.WriteFile(filepath.Join(dir, name+".channels"), []byte(list), 0o644)
				mu.Unlock()
			}
			call := func(p *lab.Phone, n string) *lab.Call {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				c, err := p.Call(ctx, n)
				if err != nil {
					t.Log(n, err)
				}
				return c
			}
			carrierCall := call
			scene("phone", func() { call(p2, "00442079460001") })
			scene("rewritten", func() { call(p2, "77881612345678") })
			scene("fork", func() { call(p2, "06442079460001") })
			scene("did-forward-local", func() { carrierCall(carrier, "1006") })
			scene("did-forward-goto", func() { carrierCall(carrier, "1007") })
			scene("phone-forward-local", func() { call(p2, "1006") })
			scene("followme", func() { carrierCall(carrier, "1008") })
			scene("queue", func() { carrierCall(carrier, "600") })
			scene("disa", func() {
				carrierCall(carrier, "601")
				time.Sleep(300 * time.Millisecond)
			})
			scene("redirect-disa", func() {
				carrierCall(carrier, "601")
				list, _ := l.CLI(t.Context(), "core show channels concise")
				for line := range strings.SplitSeq(list, "\n") {
					if n, _, ok := strings.Cut(line, "!"); ok {
						send(cmd, "Action: Redirect", "Channel: "+n, "Context: internal", "Exten: 00881612345678", "Priority: 1")
					}
				}
			})
			scene("originate-trunk", func() {
				send(cmd, "Action: Originate", "Channel: "+tech+"/00881612345678@carrier", "Application: Wait", "Data: 5", "Async: true")
			})
			scene("originate-local", func() {
				send(cmd, "Action: Originate", "Channel: Local/00881612345678@internal", "Application: Wait", "Data: 5", "Async: true")
			})
			scene("originate-phone", func() {
				send(cmd, "Action: Originate", "Channel: "+tech+"/1003", "Context: internal", "Exten: 00881612345678", "Priority: 1", "Async: true")
			})
			scene("originate-local-phone", func() {
				send(cmd, "Action: Originate", "Channel: Local/1003@internal", "Context: internal", "Exten: 00881612345678", "Priority: 1", "Async: true")
			})
			scene("originate-context", func() {
				send(cmd, "Action: Originate", "Channel: Local/700@internal", "Context: internal", "Exten: 00881612345678", "Priority: 1", "Async: true")
			})
			scene("cli", func() {
				out, _ := l.CLI(t.Context(), "channel originate "+tech+"/00881612345678@carrier application Wait 5")
				t.Log(out)
			})
			scene("callfile", func() {
				_ = os.MkdirAll(l.Path("var/spool/asterisk/outgoing"), 0o777)
				tmp := l.Path("var/spool/asterisk/tmp.call")
				_ = os.WriteFile(tmp, []byte("Channel: Local/00881612345678@internal\nApplication: Wait\nData: 5\n"), 0o666)
				_ = os.Chmod(tmp, 0o666)
				if err := os.Rename(tmp, l.Path("var/spool/asterisk/outgoing/x.call")); err != nil {
					t.Log(err)
				}
				time.Sleep(1500 * time.Millisecond)
			})
			scene("app-originate", func() { call(p2, "710") })
			scene("page", func() { call(p2, "051") })
			scene("conference-out", func() {
				call(p2, "700")
				send(cmd, "Action: Originate", "Channel: Local/00881612345678@internal", "Context: internal", "Exten: 700", "Priority: 1", "Async: true")
			})
			scene("blind-out-in", func() {
				call(carrier, "1002")
				c := <-p2.Incoming()
				time.Sleep(100 * time.Millisecond)
				t.Log(c.Transfer(soon(t), "00881612345678"))
			})
			drain := func(p *lab.Phone) {
				for {
					select {
					case <-p.Incoming():
					default:
						return
					}
				}
			}
			drain(p2)
			scene("attended", func() {
				call(carrier, "1002")
				c := <-p2.Incoming()
				d := call(p2, "00442079460001")
				if d != nil {
					t.Log(c.Connect(soon(t), d))
				}
			})
			drain(p2)
			scene("phone-302", func() {
				p2.Forward("00881612345678")
				call(p3, "1002")
				p2.Forward("")
			})
			scene("dial-uri", func() {
				if v == lab.Asterisk22 {
					send(cmd, "Action: Originate", "Channel: PJSIP/1003/sip:00881612345678@"+trunkAddress, "Application: Wait", "Data: 5", "Async: true")
				} else {
					send(cmd, "Action: Originate", "Channel: SIP/00881612345678@"+trunkAddress, "Application: Wait", "Data: 5", "Async: true")
				}
			})
		})
	}
}

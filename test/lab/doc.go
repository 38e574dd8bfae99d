// Package lab starts a real Asterisk between real network namespaces, with phones that belong
// there and attackers that do not.
//
// A [Lab] is one PBX and any number of hosts, all of them network namespaces on one switch. The
// PBX has 192.0.2.1 and 2001:db8::1; hosts take addresses of the documentation ranges
// 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 and 2001:db8::/32, all of them on-link. The lab
// reaches no other network and no other network reaches it. What is to protect the PBX runs in
// its namespace ([Lab.PBX]), where AMI listens on 127.0.0.1:5038.
//
// The root file systems of Asterisk come from Debian, once per user, into [Cache]; a started
// Asterisk writes into a layer of its own that goes away with the lab.
//
// A test starts one with [New], which skips the test and says why where a lab is impossible:
//
//	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
//	thief, err := l.Host("thief", "203.0.113.66")
//	guesser := lab.Guesser{Host: thief, Account: "1002", Rate: 2000}
//	…
//	log, err := l.SecurityLog()
//	log.Guesses(thief.Source())
//
// Starting one takes root. It changes nothing outside its own namespaces, its own folder and the
// mount there.
package lab

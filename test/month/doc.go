// Package month generates a month of a PBX's life and feeds it to the judge: what
// phones, people, networks, and the attackers of an ordinary month do, drawn by
// chance from a seed. What the judge decides is carried out in the generated world,
// so that a blocked phone stays silent, and a changed password has to be entered
// again. A Report says whom it hurt and what it cost people in messages.
//
// There are three sites: an office of 40, a call centre of 80, and 60 people who work
// at home. rates.go says how often things happen and where the figures come from.
//
// The package is pure: the time is virtual, and there is no I/O.
package month

package demo

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// recorded are the security and channel events of a real break-in on a real
// Asterisk 22: five wrong guesses from 192.0.2.66, the right one, and five
// calls to one number behind different prefixes.
//
//go:embed attack.txt
var recorded []byte

// attackEvent is one event of the recorded attack.
type attackEvent struct {
	kind    event.Kind
	text    string // the event as Asterisk wrote it
	dialled string
}

// from is the event as it would be had the thief another address, and come over TCP,
// which confirms it.
func (e attackEvent) from(a netip.Addr) string {
	return strings.ReplaceAll(strings.ReplaceAll(e.text, demoThief.String(), a.String()), "/UDP/", "/TCP/")
}

// readAttack parses the recording by the same code that reads from Asterisk.
func readAttack(transcript []byte) ([]attackEvent, error) {
	var parser event.Parser
	var attack []attackEvent
	var e event.Event
	for _, text := range bytes.SplitAfter(transcript, []byte("\r\n\r\n")) {
		b, err := ami.NewReader(bytes.NewReader(text)).Next()
		if errors.Is(err, io.EOF) {
			return attack, nil
		}
		if err == nil {
			err = parser.Parse(b, &e)
		}
		if err != nil {
			return nil, fmt.Errorf("demo: the recording: %w", err)
		}
		attack = append(attack, attackEvent{e.Kind, string(text), string(e.Exten)})
	}
	return attack, nil
}

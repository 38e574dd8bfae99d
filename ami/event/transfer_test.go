package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Transfers recorded from two real Asterisks.
const (
	transferred22 = `Event: BlindTransfer
Privilege: call,all
Result: Success
TransfererChannel: PJSIP/1002-00000001
TransfererChannelState: 6
TransfererChannelStateDesc: Up
TransfererCallerIDNum: 1002
TransfererCallerIDName: <unknown>
TransfererConnectedLineNum: carrier
TransfererConnectedLineName: <unknown>
TransfererLanguage: en
TransfererAccountCode: 
TransfererContext: internal
TransfererExten: 
TransfererPriority: 1
TransfererUniqueid: 1795332519.1
TransfererLinkedid: 1795332519.0
TransfereeChannel: PJSIP/carrier-00000000
TransfereeChannelState: 6
TransfereeChannelStateDesc: Up
TransfereeCallerIDNum: carrier
TransfereeCallerIDName: <unknown>
TransfereeConnectedLineNum: 1002
TransfereeConnectedLineName: <unknown>
TransfereeLanguage: en
TransfereeAccountCode: 
TransfereeContext: internal
TransfereeExten: 1002
TransfereePriority: 2
TransfereeUniqueid: 1795332519.0
TransfereeLinkedid: 1795332519.0
BridgeUniqueid: 8a2bb21b-997f-4872-9118-efe7a9420d21
BridgeType: basic
BridgeTechnology: simple_bridge
BridgeCreator: <unknown>
BridgeName: <unknown>
BridgeNumChannels: 2
BridgeVideoSourceMode: none
IsExternal: Yes
Context: internal
Extension: 00881612345678
`
	transferred16 = `Event: BlindTransfer
Privilege: call,all
Result: Success
TransfererChannel: SIP/1002-00000001
TransfererChannelState: 6
TransfererChannelStateDesc: Up
TransfererCallerIDNum: 1002
TransfererCallerIDName: <unknown>
TransfererConnectedLineNum: carrier
TransfererConnectedLineName: <unknown>
TransfererLanguage: en
TransfererAccountCode: 
TransfererContext: internal
TransfererExten: 
TransfererPriority: 1
TransfererUniqueid: 1795332524.1
TransfererLinkedid: 1795332524.0
TransfereeChannel: SIP/carrier-00000000
TransfereeChannelState: 6
TransfereeChannelStateDesc: Up
TransfereeCallerIDNum: carrier
TransfereeCallerIDName: <unknown>
TransfereeConnectedLineNum: <unknown>
TransfereeConnectedLineName: <unknown>
TransfereeLanguage: en
TransfereeAccountCode: 
TransfereeContext: internal
TransfereeExten: 1002
TransfereePriority: 2
TransfereeUniqueid: 1795332524.0
TransfereeLinkedid: 1795332524.0
BridgeUniqueid: b76f84e6-6b3c-4cce-94bd-90487123d5a0
BridgeType: basic
BridgeTechnology: simple_bridge
BridgeCreator: <unknown>
BridgeName: <unknown>
BridgeNumChannels: 2
BridgeVideoSourceMode: none
IsExternal: Yes
Context: internal
Extension: 00881612345678
`
	// notTransferred was sent before its call was bridged.
	notTransferred = `Event: BlindTransfer
Privilege: call,all
Result: Invalid
TransfererChannel: PJSIP/1002-00000000
TransfererChannelState: 6
TransfererChannelStateDesc: Up
TransfererCallerIDNum: 1002
TransfererCallerIDName: <unknown>
TransfererConnectedLineNum: 00442079460001
TransfererConnectedLineName: <unknown>
TransfererLanguage: en
TransfererAccountCode: 
TransfererContext: internal
TransfererExten: 00442079460001
TransfererPriority: 1
TransfererUniqueid: 1795332518.0
TransfererLinkedid: 1795332518.0
IsExternal: Yes
Context: internal
Extension: 00881612345678
`
)

func TestTransfers(t *testing.T) {
	for name, c := range map[string]struct{ text, transferer, transferee, to, result string }{
		"Asterisk 22": {transferred22, "PJSIP/1002-00000001", "PJSIP/carrier-00000000", "00881612345678", "Success"},
		"Asterisk 16": {transferred16, "SIP/1002-00000001", "SIP/carrier-00000000", "00881612345678", "Success"},
		"too early":   {notTransferred, "PJSIP/1002-00000000", "", "00881612345678", "Invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			wire := strings.ReplaceAll(c.text, "\n", "\r\n") + "\r\n"
			o := one(t, wire)
			e := o.event
			if o.err != nil || e.Kind != event.BlindTransfer {
				t.Fatalf("%v: %v", e.Kind, o.err)
			}
			if string(e.Channel) != c.transferer || string(e.DestChannel) != c.transferee || string(e.Exten) != c.to || string(e.Result) != c.result {
				t.Errorf("%s transfers %s to %s: %s", e.Channel, e.DestChannel, e.Exten, e.Result)
			}
			for _, line := range strings.SplitAfter(strings.TrimSuffix(wire, "\r\n"), "\r\n") {
				if name, _, found := strings.Cut(line, ": "); found && name != "Event" {
					if o := one(t, strings.Replace(wire, line, line+line, 1)); !errors.Is(o.err, event.ErrTampered) {
						t.Errorf("with %s twice: %v", name, o.err)
					}
				}
			}
		})
	}
}

package event

import "slices"

// The strict schema. Asterisk does not escape the values of its events
// (main/security_events.c append_event_str_single, main/manager_channels.c
// ast_manager_build_channel_state_string_prefix: "%s: %s\r\n"). A sender who gets
// CR LF into a value adds lines to the event; with an empty line, whole events. A
// block is therefore accepted only if its headers are exactly those of the event,
// in order, once each.
//
// The length of a field limits what a sender can forge through it:
//
//   - PJSIP's AccountID (From user of InvalidAccountID): 36 bytes
//     (pjsip_distributor.c, name[AST_UUID_STR_LEN]). Nothing that fits is accepted.
//     To supply the three headers that follow and end the block takes 59 bytes;
//     without the end, Asterisk's own headers follow and one is a duplicate. To
//     start another event, which the real SessionID, LocalAddress and
//     RemoteAddress complete, takes all its lines up to AccountID, more than twice
//     as many bytes.
//   - CallerIDNum and ConnectedLineNum of a PJSIP channel: 79 bytes (res_pjsip.c
//     cid_num[AST_CHANNEL_NAME]). The shortest event that the rest of the real
//     block would complete, a Hangup from CallerIDNum on, takes 96 bytes.
//     CallerIDName, ConnectedLineName and ChanVariable are escaped.
//   - Exten: 79 bytes (channel.h AST_MAX_EXTENSION), if the dialplan matches such
//     a number. Another event takes 193 bytes. But 38 bytes are enough to supply the
//     Priority, Uniqueid and Linkedid that follow and to end the block. A caller can
//     thus choose the Uniqueid and Linkedid of its own channel, so calls must be
//     identified by Channel, which comes before.
//   - DialString is derived from Exten by the dialplan. It is the last header, so a
//     whole event can follow it, which takes 193 bytes.
//   - Shutdown and Rename would fit into 79 bytes; the Parser does not support them.
//
// The tests compute these figures from the tables below. A forgery attempt counts
// as tampering, and TrueSource returns where it came from.
//
// Where the length is unlimited, no schema helps: the sender can complete the real
// event, add others, and start one more that the rest of the real event completes:
//
//   - chan_sip (up to Asterisk 20): the To user of a REGISTER is decoded from
//     256 bytes, which is enough to choose the RemoteAddress of the event (observed
//     on 16.28), but not to hide the rest of the event (splitEarly). The From user,
//     which is CallerIDNum, and the From domain, which names the channel of a
//     guest, have no limit. No event from chan_sip is Proven.
//   - the username of a manager login over HTTP (webenabled=yes in manager.conf):
//     AccountID of InvalidAccountID at any length (observed on 16.28 and 22.10: a
//     whole SuccessfulAuth of PJSIP without any login).
//   - other classes of events quote senders at any length (Newexten AppData,
//     UserEvent, ContactStatus URI): subscribe only to "security" and "call".

// rule is how often a header occurs in its place.
type rule uint8

const (
	once   rule = iota
	maybe       // once or not at all
	opens       // like maybe, and starts a group
	within      // once if its group has started, otherwise not at all
	many        // any number of times
)

// slot is one position in the header sequence of an event.
type slot struct {
	name  string
	rule  rule
	field field
}

// schema describes an event, after its Event header.
type schema struct {
	name      string
	privilege string
	severity  string
	version   string
	slots     []slot
	// callerless replaces slots for a dial without a caller (Originate).
	callerless []slot
}

// preamble lists the headers that the manager itself may insert between Privilege
// and the event's own headers: with timestampevents=yes, with debugging on, or with
// a systemname in asterisk.conf.
// (main/manager.c __manager_event_sessions_va, the same in 16 to 23.)
var preamble = []slot{
	{"Timestamp", maybe, numeric},
	{"SequenceNumber", opens, numeric},
	{"File", within, text},
	{"Line", within, numeric},
	{"Func", within, text},
	{"SystemName", maybe, text},
}

// securitySlots returns the slots of a security event: the headers required in all
// security events, those required in this one, then the optional ones.
// (main/security_events.c sec_events[], the same in 16 to 23.)
func securitySlots(required []slot, optional ...slot) []slot {
	common := []slot{
		{"EventTV", once, eventTV},
		{"Severity", once, severity},
		{"Service", once, service},
		{"EventVersion", once, version},
		{"AccountID", once, accountID},
		{"SessionID", once, sessionID},
		{"LocalAddress", once, localAddress},
		{"RemoteAddress", once, remoteAddress},
	}
	return join(preamble, common, required, optional)
}

var (
	module        = slot{"Module", maybe, text}
	sessionTV     = slot{"SessionTV", maybe, moment}
	requestType   = slot{"RequestType", once, requestTypeText}
	requestParams = slot{"RequestParams", maybe, text}
)

// leg returns the slots of one channel. Tenantid was added in May 2024 (18 to 23);
// ChanVariable occurs once for each of manager.conf's channelvars. Channels of
// internal technologies raise no events.
// (main/manager_channels.c ast_manager_build_channel_state_string_prefix.)
func leg(prefix string, of legFields) []slot {
	slots := []slot{
		{"Channel", once, of.name},
		{"ChannelState", once, of.state},
		{"ChannelStateDesc", once, text},
		{"CallerIDNum", once, of.callerIDNum},
		{"CallerIDName", once, text},
		{"ConnectedLineNum", once, of.connectedLineNum},
		{"ConnectedLineName", once, text},
		{"Language", once, text},
		{"AccountCode", once, of.accountCode},
		{"Context", once, of.context},
		{"Exten", once, of.exten},
		{"Priority", once, numeric},
		{"Uniqueid", once, of.uniqueid},
		{"Linkedid", once, of.linkedid},
		{"Tenantid", maybe, text},
		{"ChanVariable", many, text},
	}
	for i := range slots {
		slots[i].name = prefix + slots[i].name
	}
	return slots
}

// legFields selects the fields that the values of one channel are stored in.
type legFields struct {
	name, state, callerIDNum, connectedLineNum, accountCode, context, exten, uniqueid, linkedid field
}

var (
	caller = leg("", legFields{
		channel, channelState, callerIDNum, connectedLineNum, accountCode, dialplanContext, exten, uniqueid, linkedid,
	})
	callee = leg("Dest", legFields{
		destChannel, destChannelState, text, text, text, text, destExten, destUniqueid, destLinkedid,
	})
	transferer = leg("Transferer", legFields{
		channel, channelState, callerIDNum, connectedLineNum, accountCode, text, text, uniqueid, linkedid,
	})
	transferee = leg("Transferee", legFields{
		destChannel, destChannelState, text, text, text, text, destExten, destUniqueid, destLinkedid,
	})
	// bridge is main/manager_bridges.c ast_manager_build_bridge_state_string_prefix.
	bridge = []slot{
		{"BridgeUniqueid", once, bridgeUniqueid},
		{"BridgeType", once, text},
		{"BridgeTechnology", once, text},
		{"BridgeCreator", once, text},
		{"BridgeName", once, text},
		{"BridgeNumChannels", once, numeric},
		{"BridgeVideoSourceMode", once, text},
		{"BridgeVideoSource", maybe, text},
	}
)

const (
	securityClass = "security,all"
	callClass     = "call,all"
	errorSeverity = "Error"
	information   = "Informational"
)

// schemas holds the schema of each event. The versions of security events are
// those of include/asterisk/security_events_defs.h.
var schemas = [kindCount]schema{
	FailedACL: securityEvent("FailedACL", errorSeverity, "1",
		securitySlots(nil, module, slot{"ACLName", maybe, aclName}, sessionTV)),
	InvalidAccountID: securityEvent("InvalidAccountID", errorSeverity, "1", securitySlots(nil, module, sessionTV)),
	SessionLimit:     securityEvent("SessionLimit", errorSeverity, "1", securitySlots(nil, module, sessionTV)),
	MemoryLimit:      securityEvent("MemoryLimit", errorSeverity, "1", securitySlots(nil, module, sessionTV)),
	LoadAverageLimit: securityEvent("LoadAverageLimit", errorSeverity, "1", securitySlots(nil, module, sessionTV)),
	RequestNotSupported: securityEvent("RequestNotSupported", errorSeverity, "1",
		securitySlots([]slot{requestType}, module, sessionTV)),
	RequestNotAllowed: securityEvent("RequestNotAllowed", errorSeverity, "1",
		securitySlots([]slot{requestType}, module, sessionTV, requestParams)),
	AuthMethodNotAllowed: securityEvent("AuthMethodNotAllowed", errorSeverity, "1",
		securitySlots([]slot{{"AuthMethod", once, text}}, module, sessionTV)),
	RequestBadFormat: securityEvent("RequestBadFormat", errorSeverity, "1", requestBadFormatSlots()),
	SuccessfulAuth: securityEvent("SuccessfulAuth", information, "1",
		securitySlots([]slot{{"UsingPassword", once, usingPassword}}, module, sessionTV)),
	UnexpectedAddress: securityEvent("UnexpectedAddress", errorSeverity, "2",
		securitySlots([]slot{{"ExpectedAddress", once, address}}, module, sessionTV)),
	ChallengeResponseFailed: securityEvent("ChallengeResponseFailed", errorSeverity, "1",
		securitySlots([]slot{
			{"Challenge", once, challenge},
			{"Response", once, text},
			{"ExpectedResponse", once, text},
		}, module, sessionTV)),
	InvalidPassword: securityEvent("InvalidPassword", errorSeverity, "2",
		securitySlots(nil, module, sessionTV,
			slot{"Challenge", maybe, challenge},
			slot{"ReceivedChallenge", maybe, text},
			slot{"ReceivedHash", maybe, text})),
	ChallengeSent: securityEvent("ChallengeSent", information, "1",
		securitySlots([]slot{{"Challenge", once, challenge}}, module, sessionTV)),
	InvalidTransport: securityEvent("InvalidTransport", errorSeverity, "1",
		securitySlots([]slot{{"AttemptedTransport", once, text}}, module, sessionTV)),

	Newchannel: callEvent("Newchannel", join(preamble, caller)),
	Newstate:   callEvent("Newstate", join(preamble, caller)),
	// TechCause was added in 2025 (20, 22, 23); 16, 18 and 21 do not have it.
	Hangup: callEvent("Hangup", join(preamble, caller, []slot{
		{"Cause", once, cause},
		{"Cause-txt", once, text},
		{"TechCause", maybe, numeric},
	})),
	DialBegin: dialEvent("DialBegin", slot{"DialString", once, dialString}),
	DialEnd: dialEvent("DialEnd", slot{"Forward", maybe, forward},
		slot{"DialStatus", once, dialStatus}),
	BridgeEnter: callEvent("BridgeEnter", join(preamble, bridge, caller, []slot{{"SwapUniqueid", maybe, text}})),
	BridgeLeave: callEvent("BridgeLeave", join(preamble, bridge, caller)),
	// main/stasis_bridges.c blind_transfer_to_ami. The bridge is missing if there
	// was none, the transferee if there were several.
	BlindTransfer: callEvent("BlindTransfer", join(preamble, []slot{{"Result", once, result}},
		transferer, group(transferee), group(bridge), []slot{
			{"IsExternal", once, text},
			{"Context", once, dialplanContext},
			{"Extension", once, exten},
		})),
}

func securityEvent(name, severity, version string, slots []slot) schema {
	return schema{name: name, privilege: securityClass, severity: severity, version: version, slots: slots}
}

func callEvent(name string, slots []slot) schema {
	return schema{name: name, privilege: callClass, slots: slots}
}

// dialEvent is main/manager_channels.c channel_dial_cb.
func dialEvent(name string, rest ...slot) schema {
	s := callEvent(name, join(preamble, caller, callee, rest))
	s.callerless = join(preamble, callee, rest)
	return s
}

// group makes slots occur all together or not at all.
func group(slots []slot) []slot {
	all := slices.Clone(slots)
	for i := range all {
		switch {
		case i == 0:
			all[i].rule = opens
		case all[i].rule == once:
			all[i].rule = within
		}
	}
	return all
}

// requestBadFormatSlots returns the slots of RequestBadFormat, the only event whose
// AccountID is optional.
func requestBadFormatSlots() []slot {
	slots := securitySlots([]slot{requestType}, module, sessionTV, slot{"AccountID", maybe, accountID}, requestParams)
	for i := range slots {
		if slots[i].name == "AccountID" {
			return join(slots[:i], slots[i+1:])
		}
	}
	return slots
}

func join(parts ...[]slot) []slot {
	var all []slot
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

package event

import "slices"

// The strict schema. Asterisk writes the values of its events as they are
// (main/security_events.c append_event_str_single, main/manager_channels.c
// ast_manager_build_channel_state_string_prefix: "%s: %s\r\n"), so a stranger
// who brings CR LF into one of them writes lines of his own, and with an empty
// line events of his own. A block is therefore believed only when its headers
// are exactly the event's own, in order, once each.
//
// What a stranger can do, by the field he writes in, is bound by its length:
//
//   - PJSIP's AccountID (From user of InvalidAccountID): 36 bytes
//     (pjsip_distributor.c, name[AST_UUID_STR_LEN]). Nothing that fits is
//     believed: he would have to write the three headers that follow and end the
//     block himself, which takes 59; else Asterisk's own follow his and one is
//     double. To begin an event that the real SessionID, LocalAddress and
//     RemoteAddress complete takes that event's lines up to AccountID, over twice
//     as much.
//   - CallerIDNum and ConnectedLineNum of a PJSIP channel: 79 bytes (res_pjsip.c
//     cid_num[AST_CHANNEL_NAME]). The shortest event that the rest of the real
//     block would complete, a Hangup from CallerIDNum on, takes 96.
//     CallerIDName, ConnectedLineName and ChanVariable are written escaped.
//   - Exten: 79 bytes (channel.h AST_MAX_EXTENSION), where the dialplan matches
//     such a number. Another event takes 193. But 38 bytes write the Priority,
//     Uniqueid and Linkedid that follow and end the block, so that the serials
//     of the caller's own channel can be his invention: calls are to be told
//     apart by Channel, which stands before.
//   - DialString is what the dialplan made of Exten. As the last header it can
//     be followed by a whole event, which takes 193.
//   - Shutdown and Rename would fit in 79 bytes whole; they are not read.
//
// The tests compute these figures from the tables below. What is forged ends
// in counted tampering, and TrueSource tells where it came from.
//
// No schema helps where the length is not bound, for then a stranger completes
// the real event, writes what he likes, and begins another for the real rest:
//
//   - chan_sip (up to Asterisk 20): the To user of a REGISTER is decoded from
//     256 bytes, which is enough to choose the RemoteAddress of the event (seen
//     on 16.28), but not to hide the rest of it (severed); the From user, which is CallerIDNum, and the From domain, which
//     names the channel of a guest, have no bound. Nothing from chan_sip is
//     Proven.
//   - the user name of a login to the manager over HTTP (webenabled=yes in
//     manager.conf): AccountID of InvalidAccountID at any length (seen on 16.28
//     and 22.10: a whole SuccessfulAuth of PJSIP without any login).
//   - other classes of events quote strangers at any length (Newexten AppData,
//     UserEvent, ContactStatus URI): only "security" and "call" are to be
//     subscribed to.

// rule says how often a header stands in its place.
type rule uint8

const (
	once   rule = iota
	maybe       // once or not at all
	opens       // like maybe, and begins a group
	within      // once if its group has begun, else not at all
	many        // any number of times
)

// slot is one place in an event's order of headers.
type slot struct {
	name  string
	rule  rule
	field field
}

// schema is what an event looks like, after its Event header.
type schema struct {
	name      string
	privilege string
	severity  string
	version   string
	slots     []slot
	// callerless is the order of a dial without a caller (Originate).
	callerless []slot
}

// preamble is what the manager itself may put between Privilege and the event's
// own headers: timestampevents=yes, debug on, a systemname in asterisk.conf.
// (main/manager.c __manager_event_sessions_va, the same in 16 to 23.)
var preamble = []slot{
	{"Timestamp", maybe, numeric},
	{"SequenceNumber", opens, numeric},
	{"File", within, text},
	{"Line", within, numeric},
	{"Func", within, text},
	{"SystemName", maybe, text},
}

// security builds the order of a security event: what all require, what it
// requires, then what is optional. (main/security_events.c sec_events[], the
// same in 16 to 23.)
func security(required []slot, optional ...slot) []slot {
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

// leg builds the order of one channel. Tenantid came in May 2024 (18 to 23);
// ChanVariable stands once for each of manager.conf's channelvars. Channels
// of internal technologies raise no events.
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

// legFields says where the values of one channel go.
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

// schemas has what each event looks like. The versions of security events are
// those of include/asterisk/security_events_defs.h.
var schemas = [kinds]schema{
	FailedACL: securityEvent("FailedACL", errorSeverity, "1",
		security(nil, module, slot{"ACLName", maybe, aclName}, sessionTV)),
	InvalidAccountID: securityEvent("InvalidAccountID", errorSeverity, "1", security(nil, module, sessionTV)),
	SessionLimit:     securityEvent("SessionLimit", errorSeverity, "1", security(nil, module, sessionTV)),
	MemoryLimit:      securityEvent("MemoryLimit", errorSeverity, "1", security(nil, module, sessionTV)),
	LoadAverageLimit: securityEvent("LoadAverageLimit", errorSeverity, "1", security(nil, module, sessionTV)),
	RequestNotSupported: securityEvent("RequestNotSupported", errorSeverity, "1",
		security([]slot{requestType}, module, sessionTV)),
	RequestNotAllowed: securityEvent("RequestNotAllowed", errorSeverity, "1",
		security([]slot{requestType}, module, sessionTV, requestParams)),
	AuthMethodNotAllowed: securityEvent("AuthMethodNotAllowed", errorSeverity, "1",
		security([]slot{{"AuthMethod", once, text}}, module, sessionTV)),
	RequestBadFormat: securityEvent("RequestBadFormat", errorSeverity, "1", requestBadFormat()),
	SuccessfulAuth: securityEvent("SuccessfulAuth", information, "1",
		security([]slot{{"UsingPassword", once, usingPassword}}, module, sessionTV)),
	UnexpectedAddress: securityEvent("UnexpectedAddress", errorSeverity, "2",
		security([]slot{{"ExpectedAddress", once, address}}, module, sessionTV)),
	ChallengeResponseFailed: securityEvent("ChallengeResponseFailed", errorSeverity, "1",
		security([]slot{
			{"Challenge", once, challenge},
			{"Response", once, text},
			{"ExpectedResponse", once, text},
		}, module, sessionTV)),
	InvalidPassword: securityEvent("InvalidPassword", errorSeverity, "2",
		security(nil, module, sessionTV,
			slot{"Challenge", maybe, challenge},
			slot{"ReceivedChallenge", maybe, text},
			slot{"ReceivedHash", maybe, text})),
	ChallengeSent: securityEvent("ChallengeSent", information, "1",
		security([]slot{{"Challenge", once, challenge}}, module, sessionTV)),
	InvalidTransport: securityEvent("InvalidTransport", errorSeverity, "1",
		security([]slot{{"AttemptedTransport", once, text}}, module, sessionTV)),

	Newchannel: callEvent("Newchannel", join(preamble, caller)),
	Newstate:   callEvent("Newstate", join(preamble, caller)),
	// TechCause came in 2025 (20, 22, 23); 16, 18 and 21 have none.
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
	// main/stasis_bridges.c blind_transfer_to_ami: without a bridge when there was
	// none, without a transferee when there were several.
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

// group makes headers stand all or none.
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

// requestBadFormat alone has its AccountID among the optional headers.
func requestBadFormat() []slot {
	slots := security([]slot{requestType}, module, sessionTV, slot{"AccountID", maybe, accountID}, requestParams)
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

package event

import (
	"net/netip"
	"time"
)

// Kind is an event that is read. Every other one is ErrUnknown.
type Kind uint8

// The security events in the order of Asterisk's security_events_defs.h, and
// the channel events needed to follow a call.
//
// What is left out is left out for a reason. Shutdown and Rename are so short
// that 78 bytes of a caller's number forge them whole (see schema.go), and the
// end of the connection tells of the one as channel events tell of the other.
// FullyBooted, ContactStatus and PeerStatus would need the class "system",
// whose events quote a stranger's Contact at any length.
const (
	NoEvent Kind = iota
	FailedACL
	InvalidAccountID
	SessionLimit
	MemoryLimit
	LoadAverageLimit
	RequestNotSupported
	RequestNotAllowed
	AuthMethodNotAllowed
	RequestBadFormat
	SuccessfulAuth
	UnexpectedAddress
	ChallengeResponseFailed
	InvalidPassword
	ChallengeSent
	InvalidTransport
	Newchannel
	Newstate
	DialBegin
	DialEnd
	BridgeEnter
	BridgeLeave
	Hangup
	BlindTransfer
	kinds
)

// String gives Asterisk's own name of the event.
func (k Kind) String() string {
	if k > NoEvent && k < kinds {
		return schemas[k].name
	}
	return "NoEvent"
}

// Security says whether it is a security event.
func (k Kind) Security() bool { return k >= FailedACL && k <= InvalidTransport }

// Kinds lists every event that is read.
func Kinds() []Kind {
	all := make([]Kind, 0, kinds-1)
	for k := NoEvent + 1; k < kinds; k++ {
		all = append(all, k)
	}
	return all
}

func kindOf(name []byte) Kind {
	switch string(name) {
	case "SuccessfulAuth":
		return SuccessfulAuth
	case "ChallengeResponseFailed":
		return ChallengeResponseFailed
	case "ChallengeSent":
		return ChallengeSent
	case "InvalidPassword":
		return InvalidPassword
	case "InvalidAccountID":
		return InvalidAccountID
	case "FailedACL":
		return FailedACL
	case "SessionLimit":
		return SessionLimit
	case "MemoryLimit":
		return MemoryLimit
	case "LoadAverageLimit":
		return LoadAverageLimit
	case "RequestNotSupported":
		return RequestNotSupported
	case "RequestNotAllowed":
		return RequestNotAllowed
	case "AuthMethodNotAllowed":
		return AuthMethodNotAllowed
	case "RequestBadFormat":
		return RequestBadFormat
	case "UnexpectedAddress":
		return UnexpectedAddress
	case "InvalidTransport":
		return InvalidTransport
	case "Newchannel":
		return Newchannel
	case "Newstate":
		return Newstate
	case "DialBegin":
		return DialBegin
	case "DialEnd":
		return DialEnd
	case "BridgeEnter":
		return BridgeEnter
	case "BridgeLeave":
		return BridgeLeave
	case "Hangup":
		return Hangup
	case "BlindTransfer":
		return BlindTransfer
	}
	return NoEvent
}

// ChannelState is Asterisk's state of a channel (channelstate.h).
type ChannelState uint8

// The states that matter for calls.
const (
	StateDown    ChannelState = 0
	StateRing    ChannelState = 4 // it calls us
	StateRinging ChannelState = 5 // we call it
	StateUp      ChannelState = 6
)

// Event is one event of Asterisk. It is reused from event to event; the byte
// slices are views into the Block and valid as long as it. Text is as Asterisk
// wrote it and can hold whatever a stranger sent.
type Event struct {
	Kind Kind
	// Raw is what it was read from: the lines of a block, or of a log. Nil when
	// that is not at hand.
	Raw []byte

	// Security events only. At is Asterisk's own time, to the millisecond.
	At            time.Time
	Service       []byte // "PJSIP", "SIP" (chan_sip), "AMI"
	AccountID     []byte // whose name it is: AccountTrust
	SessionID     []byte // PJSIP: the Call-ID
	Local         netip.AddrPort
	Remote        netip.AddrPort // how certain: Proven
	Transport     Transport      // of Remote
	ACLName       []byte         // FailedACL
	RequestType   []byte         // RequestNotSupported, RequestNotAllowed, RequestBadFormat
	Challenge     []byte
	UsingPassword bool // SuccessfulAuth

	// Channel events only: the caller's side, absent from a dial without one.
	Channel                       []byte
	ChannelState                  ChannelState
	CallerIDNum, ConnectedLineNum []byte
	AccountCode, Context, Exten   []byte
	Uniqueid, Linkedid            []byte

	// DialBegin and DialEnd: the side that is called.
	DestChannel                []byte
	DestChannelState           ChannelState
	DestExten                  []byte
	DestUniqueid, DestLinkedid []byte
	DialString, DialStatus     []byte
	Forward                    []byte // DialEnd: where the side that was called sends its caller

	// BlindTransfer: Channel is who transfers, DestChannel is who is transferred
	// (none when it is several), Exten is where to.
	Result []byte // "Success", or why not

	BridgeUniqueid []byte // BridgeEnter, BridgeLeave
	Cause          int    // Hangup: Q.850
}

func (e *Event) chanSIP() bool { return string(e.Service) == "SIP" }

// Proven says that the event's source address is certain. Otherwise it is
// claimed: a packet with a forged sender can have raised the event.
//
// Certain are the connected transports, and a SuccessfulAuth whose digest
// answered a nonce that only its addressee knew (res_pjsip_authenticator_digest.c
// check_nonce binds it to the address), unless a Via with maddr had the challenge
// sent to somebody else, which the wire alone shows.
//
// Nothing from chan_sip is certain. It takes RemoteAddress from the topmost
// Via: maddr replaces the address and the sent-by the port, while the answers
// still go to where the packet came from when the Via asks for rport
// (chan_sip.c check_via, sip_real_dst, the same in 16, 18 and 20). Seen on 16.28
// over UDP and over TCP: ";rport;maddr=198.51.100.7" gives InvalidPassword and
// SuccessfulAuth from 198.51.100.7.
func (e *Event) Proven() bool {
	if !e.Kind.Security() || e.chanSIP() {
		return false
	}
	return e.Transport.Connected() || (e.Kind == SuccessfulAuth && e.UsingPassword)
}

// Unknown is what Asterisk writes for a name or number that it does not know.
const Unknown = "<unknown>"

// AccountTrust says what AccountID is.
type AccountTrust uint8

// What AccountID can be.
const (
	// AccountNone: there is none: empty, "<unknown>", or no security event.
	AccountNone AccountTrust = iota
	// AccountConfigured: the name of an account of this PBX, by Asterisk.
	AccountConfigured
	// AccountClaimed: what the sender called itself. It need not exist.
	AccountClaimed
	// AccountURI: the sender's whole From URI, undecoded. It need not exist.
	AccountURI
	// AccountOrNumber: chan_sip's "exten": with a REGISTER the user of its To
	// header, with an INVITE the number dialled.
	AccountOrNumber
)

// AccountTrust says what the event's AccountID is. For PJSIP it is the
// endpoint, except in InvalidAccountID. For AMI it is what the login said. For
// chan_sip (channels/sip/security_events.c and chan_sip.c, the same in 16, 18
// and 20) it depends on a request that the event does not name:
//
//	event                                  REGISTER    INVITE
//	ChallengeSent                          To user     From URI, "sip:1002@…"
//	InvalidPassword                        To user     dialled number
//	SuccessfulAuth                         To user     dialled number (1)
//	FailedACL, SessionLimit                To user     dialled number (2)
//	ChallengeResponseFailed (3)            To user     From URI
//	InvalidAccountID (4)                   To user     not raised
//
// SUBSCRIBE, MESSAGE and PUBLISH raise nothing, whatever their password.
//
//  1. Only when some peer is registered at, or configured for, the address that
//     the packet came from; a thief that calls without registering raises none.
//  2. ACLName "no_extension_match" is an authenticated call to a number that
//     does not exist.
//  3. Only for a digest user name that is not the peer's.
//  4. Only with alwaysauthreject=no; else a stranger raises ChallengeSent and
//     InvalidPassword like an account.
//
// The To user is decoded and the peer is looked up without regard to case, so
// it can differ from the account's name in case. All events of one dialogue
// bear the same SessionID, so the ChallengeSent before an AccountOrNumber tells:
// an AccountURI there means INVITE and names the account. The account of a call
// is also in its channel's name (SplitChannel).
func (e *Event) AccountTrust() AccountTrust {
	switch {
	case len(e.AccountID) == 0 || string(e.AccountID) == Unknown:
		return AccountNone
	case e.chanSIP():
		return e.chanSIPTrust()
	case e.Kind == InvalidAccountID:
		return AccountClaimed
	}
	return AccountConfigured
}

func (e *Event) chanSIPTrust() AccountTrust {
	switch e.Kind {
	case ChallengeSent, ChallengeResponseFailed:
		if _, _, isURI := SplitURI(e.AccountID); isURI {
			return AccountURI
		}
		return AccountClaimed
	case InvalidAccountID:
		return AccountClaimed
	}
	return AccountOrNumber
}

// Account is the account that the event names, the user part of an AccountURI
// included. It is nil for AccountNone and for AccountOrNumber, which takes the
// events before it to decide. It is a view.
func (e *Event) Account() []byte {
	switch e.AccountTrust() {
	case AccountConfigured, AccountClaimed:
		return e.AccountID
	case AccountURI:
		user, host, _ := SplitURI(e.AccountID)
		if user == nil {
			return host // as chan_sip takes it
		}
		return user
	}
	return nil
}

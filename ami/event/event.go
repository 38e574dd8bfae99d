package event

import (
	"net/netip"
	"time"
)

// Kind identifies an event that the Parser supports. It reports every other
// event as ErrUnknown.
type Kind uint8

// The security events in the order of Asterisk's security_events_defs.h, and
// the channel events needed to follow a call.
//
// Other events are left out on purpose. Shutdown and Rename are so short that the
// 78 bytes of a caller's number are enough to forge them (see schema.go); the end
// of the connection replaces the one, and channel events replace the other.
// FullyBooted, ContactStatus and PeerStatus require the class "system", whose
// events quote a sender's Contact without a length limit.
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
	kindCount
)

// String returns Asterisk's name of the event.
func (k Kind) String() string {
	if k > NoEvent && k < kindCount {
		return schemas[k].name
	}
	return "NoEvent"
}

// Security reports whether k is a security event.
func (k Kind) Security() bool { return k >= FailedACL && k <= InvalidTransport }

// Kinds lists every supported event.
func Kinds() []Kind {
	all := make([]Kind, 0, kindCount-1)
	for k := NoEvent + 1; k < kindCount; k++ {
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
	StateDown ChannelState = 0
	StateRing ChannelState = 4 // it is calling us
	StateUp   ChannelState = 6
)

// Event is one Asterisk event. It is reused from event to event; its byte slices
// point into the Block and are valid as long as the Block is. Text is unescaped
// and may contain anything that a sender chose.
type Event struct {
	Kind Kind
	// Raw holds the lines of the block or log that the event was parsed from. It is
	// nil if they are not available.
	Raw []byte

	// Security events only. At is Asterisk's time, to the millisecond.
	At            time.Time
	Service       []byte // "PJSIP", "SIP" (chan_sip), "IAX2" (from the log alone), "AMI"
	AccountID     []byte // see AccountTrust
	SessionID     []byte // PJSIP: the Call-ID
	Local         netip.AddrPort
	Remote        netip.AddrPort // see Proven
	Doubtful      bool           // from a log in which others than Asterisk can write
	Transport     Transport      // of Remote
	ACLName       []byte         // FailedACL
	RequestType   []byte         // RequestNotSupported, RequestNotAllowed, RequestBadFormat; the method, in PJSIP's lines of the log
	Challenge     []byte
	UsingPassword bool // SuccessfulAuth

	// Channel events only: the caller's side; empty for a dial without a caller.
	Channel                       []byte
	ChannelState                  ChannelState
	CallerIDNum, ConnectedLineNum []byte
	AccountCode, Context, Exten   []byte
	Uniqueid, Linkedid            []byte

	// DialBegin and DialEnd: the called side.
	DestChannel                []byte
	DestChannelState           ChannelState
	DestExten                  []byte
	DestUniqueid, DestLinkedid []byte
	DialString, DialStatus     []byte
	Forward                    []byte // DialEnd: where the called side forwards the caller

	// BlindTransfer: Channel is the transferer, DestChannel the transferee (empty if
	// there are several), Exten the target.
	Result []byte // "Success", or the reason for the failure

	BridgeUniqueid []byte // BridgeEnter, BridgeLeave
	Cause          int    // Hangup: Q.850
}

func (e *Event) chanSIP() bool { return string(e.Service) == "SIP" }

// Proven reports whether the event's source address is genuine. If not, it may be
// spoofed.
//
// The address is genuine on a connected transport. It is also genuine in a
// SuccessfulAuth whose digest answers a nonce that was sent to that address only
// (res_pjsip_authenticator_digest.c check_nonce binds the nonce to the address).
// The exception is a Via with maddr, which makes Asterisk send the challenge to a
// third party; only the packets on the wire show that.
//
// No address from chan_sip is proven. chan_sip takes RemoteAddress from the
// topmost Via: maddr replaces the address and sent-by the port, while the
// responses still go to the packet's source if the Via asks for rport
// (chan_sip.c check_via, sip_real_dst, the same in 16, 18 and 20). Observed on
// 16.28 over UDP and TCP: ";rport;maddr=198.51.100.7" yields InvalidPassword and
// SuccessfulAuth from 198.51.100.7.
//
// What comes from a log in which others can write proves nothing.
func (e *Event) Proven() bool {
	if !e.Kind.Security() || e.chanSIP() || e.Doubtful {
		return false
	}
	return e.Transport.Connected() || (e.Kind == SuccessfulAuth && e.UsingPassword)
}

// Unknown is what Asterisk writes for an unknown name or number.
const Unknown = "<unknown>"

// AccountTrust describes what an AccountID stands for.
type AccountTrust uint8

// The meanings of an AccountID.
const (
	// AccountNone means that there is no account: AccountID is empty or
	// "<unknown>", or the event is not a security event.
	AccountNone AccountTrust = iota
	// AccountConfigured is an account of this PBX, as named by Asterisk.
	AccountConfigured
	// AccountClaimed is the name that the sender gave. It may not exist.
	AccountClaimed
	// AccountURI is the sender's whole From URI, undecoded. It may not exist.
	AccountURI
	// AccountOrNumber is chan_sip's "exten": for a REGISTER the user of the To
	// header, for an INVITE the dialled number.
	AccountOrNumber
)

// AccountTrust returns what the event's AccountID stands for. For PJSIP, it is the
// endpoint, except in InvalidAccountID. For AMI, it is the username of the login.
// For chan_sip (channels/sip/security_events.c and chan_sip.c, the same in 16, 18
// and 20), it depends on the request, which the event does not name:
//
//	event                                  REGISTER    INVITE
//	ChallengeSent                          To user     From URI, "sip:1002@…"
//	InvalidPassword                        To user     dialled number
//	SuccessfulAuth                         To user     dialled number (1)
//	FailedACL, SessionLimit                To user     dialled number (2)
//	ChallengeResponseFailed (3)            To user     From URI
//	InvalidAccountID (4)                   To user     not raised
//
// SUBSCRIBE, MESSAGE and PUBLISH never raise an event.
//
//  1. Only if a peer is registered at, or configured for, the packet's source
//     address. An attacker who calls without registering raises none.
//  2. ACLName "no_extension_match" is an authenticated call to a number that
//     does not exist.
//  3. Only if the digest username is not the peer's.
//  4. Only with alwaysauthreject=no. Otherwise a request for an unknown account
//     raises ChallengeSent and InvalidPassword, like one for a known account.
//
// The To user is decoded, and the peer lookup ignores case, so the user may differ
// from the account's name in case. All events of a dialogue have the same
// SessionID. The ChallengeSent before an AccountOrNumber therefore shows the
// request: an AccountURI there means INVITE and names the account. The channel
// name also contains the account of a call (SplitChannel).
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

// Account returns the account that the event names; for an AccountURI, the user
// part. It returns nil for AccountNone, and for AccountOrNumber, which only the
// events before it can resolve. The result points into the event, except for a user
// with escapes, which is decoded.
func (e *Event) Account() []byte {
	switch e.AccountTrust() {
	case AccountConfigured, AccountClaimed:
		return e.AccountID
	case AccountURI:
		user, host, _ := SplitURI(e.AccountID)
		if user == nil {
			return host // as in chan_sip
		}
		return UnescapeUser(user)
	}
	return nil
}

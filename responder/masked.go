package responder

import "regexp"

// digests are the digests in what Asterisk writes of an attempt: by event header,
// by pair of the security log, and in the notice of chan_iax2.
// ExpectedResponse, of a manager's login, is made of the right secret, and a
// guess may be nearly right: from either a secret can be tried out at leisure.
// The challenges stay; they are random. A text that was cut off may end in one.
var digests = regexp.MustCompile(`(?m)(^(?:Response|ExpectedResponse|ReceivedHash): )[^\r\n]*()` +
	`|(\b(?:Response|ExpectedResponse|ReceivedHash)=")[^"\r\n]*("|\z)` +
	`|( failed MD5 authentication for '.*' \()[0-9a-f !=]*(\)|\z)`)

// masked is the text of an event as it may be kept and shown.
func masked(text string) string {
	return digests.ReplaceAllString(text, "${1}${3}${5}(left out)${2}${4}${6}")
}

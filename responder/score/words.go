package score

import "strconv"

// signalWords says what one observation of a signal is, and what several are. Without a
// second form the first is repeated with how often.
var signalWords = [signalCount][2]string{
	FailedACL:               {"request refused by an access list", "requests refused by an access list"},
	InvalidAccountID:        {"request for an extension that does not exist", "requests for extensions that do not exist"},
	SessionLimit:            {"request beyond the limit of sessions", "requests beyond the limit of sessions"},
	MemoryLimit:             {"request beyond the limit of memory", "requests beyond the limit of memory"},
	LoadAverageLimit:        {"request beyond the limit of the load", "requests beyond the limit of the load"},
	RequestNotSupported:     {"unsupported request", "unsupported requests"},
	RequestNotAllowed:       {"request that is not allowed", "requests that are not allowed"},
	AuthMethodNotAllowed:    {"login with a method that is not allowed", "logins with a method that is not allowed"},
	RequestBadFormat:        {"malformed request", "malformed requests"},
	SuccessfulAuth:          {"successful login", "successful logins"},
	UnexpectedAddress:       {"request from an address that is not the extension's", "requests from an address that is not the extension's"},
	ChallengeResponseFailed: {"wrong password", "wrong passwords"},
	InvalidPassword:         {"wrong password", "wrong passwords"},
	InvalidTransport:        {"request over a transport that is not allowed", "requests over a transport that is not allowed"},
	SuccessAfterFailures:    {"login with the right password", "logins with the right password"},
	NewPlaceAfterFailures:   {"login from a new address after others' guesses", "logins from new addresses after others' guesses"},
	Tampering:               {"event with forged lines", "events with forged lines"},
	SlowGuesser:             {"wrong passwords over days"},
	SlowNetwork:             {"wrong passwords over days from one network"},
	SlowAttack:              {"wrong passwords over days from changing addresses"},
	LastingFailures:         {"wrong passwords for days"},
	GuessingCampaign:        {"many extensions guessed at over days"},
	CallRate:                {"more calls per minute than allowed"},
	ConcurrentCalls:         {"more calls at once than allowed"},
	Cadence:                 {"calls placed faster than a person dials"},
	DialProbing:             {"one number tried with different prefixes"},
	ForbiddenDestination:    {"call to a forbidden destination", "calls to forbidden destinations"},
	NewCountry:              {"first call to a new country", "first calls to new countries"},
	OffHours:                {"call outside working hours", "calls outside working hours"},
	Dormant:                 {"first call after a long time", "first calls after a long time"},
	NewNetwork:              {"use from an unknown network", "uses from unknown networks"},
	TwoNetworks:             {"use from two networks at once"},
	ScannerAgent:            {"call by a known attack tool", "calls by a known attack tool"},
	AnonymousCall:           {"call without a login", "calls without a login"},
	UnseenLogin:             {"use without the login that it needs"},
	CostlyForward:           {"call forward to a costly number", "call forwards to costly numbers"},
	SharedNumber:            {"new costly number called from several extensions"},
	SequentialNumbers:       {"costly number in a row", "costly numbers in a row"},
	TestCalls:               {"short call that tests numbers", "short calls that test numbers"},
	EarlyMedia:              {"minutes of unanswered calls to costly numbers"},
	CostlyAfterLogin:        {"costly call right after a login from a new network", "costly calls right after a login from a new network"},
}

// Words says what n observations of the signal are, like "3 wrong passwords".
func (s Signal) Words(n int) string { return string(s.appendWords(nil, n)) }

func (s Signal) appendWords(b []byte, n int) []byte {
	var words [2]string
	if s < signalCount {
		words = signalWords[s]
	}
	if words[0] == "" {
		words[0] = s.String()
	}
	switch {
	case words[1] == "" && n == 1:
		return append(b, words[0]...)
	case words[1] == "":
		b = append(append(b, words[0]...), " ("...)
		return append(strconv.AppendInt(b, int64(n), 10), " times)"...)
	case n == 1:
		return append(append(b, "1 "...), words[0]...)
	}
	b = append(strconv.AppendInt(b, int64(n), 10), ' ')
	return append(b, words[1]...)
}

// appendSignals lists what was observed, with each kind of observation once.
func appendSignals(b []byte, signals *[signalCount]int) []byte {
	before := ""
	for s, n := range signals {
		if n == 0 {
			continue
		}
		switch Signal(s) {
		case InvalidPassword:
			if signals[ChallengeResponseFailed] > 0 {
				continue // the same to people
			}
		case ChallengeResponseFailed:
			n += signals[InvalidPassword]
		}
		b = Signal(s).appendWords(append(b, before...), n)
		before = ", "
	}
	return b
}

// Counts is what each point of the threshold is, in the plural, if all are the same to
// people: "wrong passwords". Otherwise it is "".
func (t *Threshold) Counts() string {
	words := ""
	for s, points := range t.Points {
		if points != 1 || s >= signalCount || signalWords[s][1] == "" || words != "" && words != signalWords[s][1] {
			return ""
		}
		words = signalWords[s][1]
	}
	return words
}

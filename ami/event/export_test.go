package event

// Shortest returns the lines of the shortest block that is accepted as k.
func Shortest(k Kind) []string {
	s := &schemas[k]
	slots := s.slots
	if s.callerless != nil {
		slots = s.callerless
	}
	lines := []string{"Event:" + s.name, "Privilege:" + s.privilege}
	for _, slot := range slots {
		if slot.rule == once {
			lines = append(lines, slot.name+":"+shortestValue(s, slot.field))
		}
	}
	return lines
}

func shortestValue(s *schema, f field) string {
	switch f {
	case numeric, channelState, destChannelState, cause, usingPassword:
		return "0"
	case eventTV, moment:
		return "2026-11-22T00:26:27.069+0000"
	case severity:
		return s.severity
	case version:
		return s.version
	case channel, destChannel:
		return "2" // the genuine one, in frame, is "1"
	case service, uniqueid, linkedid, destUniqueid, destLinkedid:
		return "1"
	case localAddress, address:
		return "IPV4/"
	case remoteAddress:
		return "IPV6/::/1"
	}
	return ""
}

// ShortestWithCaller is like Shortest, with the caller's side.
func ShortestWithCaller(k Kind) []string {
	s := schemas[k]
	lines := []string{"Event:" + s.name, "Privilege:" + s.privilege}
	for _, slot := range s.slots {
		if slot.rule == once {
			lines = append(lines, slot.name+":"+shortestValue(&s, slot.field))
		}
	}
	return lines
}

// Written returns the lines of an event as Asterisk writes them, without the
// optional ones. Its channels are named "1".
func Written(k Kind) []string {
	s := &schemas[k]
	lines := []string{"Event: " + s.name, "Privilege: " + s.privilege}
	for _, slot := range s.slots {
		if slot.rule == once {
			lines = append(lines, slot.name+": "+realValue(s, slot.field))
		}
	}
	return lines
}

func realValue(s *schema, f field) string {
	if f == channel || f == destChannel {
		return "1"
	}
	return shortestValue(s, f)
}

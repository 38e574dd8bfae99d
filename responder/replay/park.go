package replay

// maxAwake is how many files are kept open. When there are more, as in a folder of rotated
// logs, each is closed until its turn: memory does not grow with their number.
const maxAwake = 8

// park closes a file until it is its turn. Its first item stays. A pipe stays open.
func (s *source) park() {
	if s.closer == nil || !s.regular {
		return
	}
	_ = s.closer()
	s.closer, s.stream = nil, nil
	s.skip, s.counted = s.counted, 0
}

// wake opens a parked file again, and goes to where it was: behind its first item.
func (s *source) wake(o *Options, read func(n int)) error {
	if s.stream != nil {
		return nil
	}
	if err := s.open(s.Path, o, read); err != nil {
		return err
	}
	s.tell()
	return s.stream.next(&s.item)
}

// tell tells the stream of a log which sensors it is.
func (s *source) tell() {
	if log, ok := s.stream.(*logStream); ok {
		log.secure, log.plain = s.secure, s.plain
	}
}

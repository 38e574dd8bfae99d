package spending

// Recount has the next check count all that was spent anew.
func (s *Spending) Recount() { s.finished = nil }

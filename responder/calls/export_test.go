package calls

// Tracked returns the number of accounts with state.
func (d *Detector) Tracked() int { return len(d.accounts) }

// SharedNumbers is how many costly numbers are remembered.
func (d *Detector) SharedNumbers() int { return len(d.shared) }

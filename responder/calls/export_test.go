package calls

// Tracked returns the number of accounts with state.
func (d *Detector) Tracked() int { return len(d.accounts) }

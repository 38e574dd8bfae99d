package calls

// Followed is the number of accounts that something is known of.
func (d *Detector) Followed() int { return len(d.accounts) }

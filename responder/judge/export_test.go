package judge

// Missed is how many keys have verdicts of a pause.
func (j *Judge) Missed() int { return j.missed.Len() }

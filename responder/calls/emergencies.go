package calls

// Emergencies returns the channels of an account's calls for help, which nothing may end. A
// call that the dialplan sends to a number that costs is none.
func (d *Detector) Emergencies(account string) (names []string) {
	for _, c := range d.Of(account) {
		if c.Calling && d.rules.Dialling.Emergency(c.Dialled) && !d.leftElsewhere(c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// EmergencyNumbers returns what lists the emergency numbers as phones dial them, which takes
// some milliseconds. The list may be called without the lock.
func (d *Detector) EmergencyNumbers() (list func() []string) {
	dialling := d.rules.Dialling
	return dialling.EmergencyList
}

func (d *Detector) leftElsewhere(call string) bool {
	for l := range d.Legs() {
		if l.Call == call && !l.Emergency {
			return true
		}
	}
	return false
}

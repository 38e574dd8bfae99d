package incident

// WaitsForPerson begins the detail of a step that was skipped because too many accounts had
// one like it lately.
const WaitsForPerson = "waits for a person"

// NoLonger begins the detail of a step whose effect has ended since; why is behind it.
const NoLonger = "no longer: "

// Takes says whether the step takes the use of an account from its owner, until a person
// enters a new password in a phone or gives the account back.
//
// Ending calls does not: they can be made again, and money must not run. A ban is of an
// address, and restrict leaves the phones at known places alone. Without its registration a
// phone cannot be called until it registers again, up to an hour later, and a thief whose
// password still works is back at once.
func (k StepKind) Takes() bool {
	return k == StepRotate || k == StepLock || k == StepRemoveRegistrations
}

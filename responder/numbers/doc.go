// Package numbers reads what phones dial: which numbers a dialled string may reach,
// which of them costs most, and whether it is an emergency number.
//
// What a string means depends on the dialplan and on the carrier, and neither is known
// here. So a string has several plausible readings, and the worst of them counts. A guess
// counts only if the string, as dialled, is no number of the site's own numbering plan:
// that keeps ordinary calls free of guesses.
//
// The numbering plans are the metadata of libphonenumber, in the edition that
// github.com/nyaruka/phonenumbers embeds.
package numbers

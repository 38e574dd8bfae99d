package numbers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// maxEmergency is the most digits of an emergency number: no number that costs is so short.
const maxEmergency = 6

// maxEmergencyLine is the most digits of an outside line in front of one.
const maxEmergencyLine = 2

// everywhere are the emergency numbers of a site whose country is not known.
var everywhere = []string{"112", "911", "999", "000", "110", "113", "118"}

// Emergency says whether a dialled string is an emergency number: one of EmergencyNumbers, or
// one of the country by libphonenumber's metadata of short numbers. An outside line may come
// before it, one of Outside or a common one, and so may the scheme of a URI. Only a host or
// parameters without digits may come after it.
func (d *Dialling) Emergency(dialled string) bool {
	if len(dialled) > maxDialled {
		return false
	}
	digits, ok := exact(dialled)
	if !ok {
		return false
	}
	if d.isEmergency(digits) {
		return true
	}
	behind := func(line string, shortest int) bool {
		rest, ok := strings.CutPrefix(digits, line)
		return ok && len(rest) >= shortest && d.isEmergency(rest)
	}
	return slices.ContainsFunc(d.Outside, func(line string) bool { return len(line) <= maxEmergencyLine && behind(line, 2) }) ||
		slices.ContainsFunc(commonLines, func(line string) bool { return behind(line, 3) }) // 917 is an extension
}

func (d *Dialling) isEmergency(digits string) bool {
	switch {
	case len(digits) < 2 || len(digits) > maxEmergency:
		return false
	case slices.Contains(d.EmergencyNumbers, digits):
		return true
	case d.Country == "":
		return slices.Contains(everywhere, digits)
	}
	return phonenumbers.IsEmergencyNumber(digits, d.Country)
}

// EmergencyList lists the emergency numbers as phones dial them: sorted, each also behind
// outside lines.
func (d *Dialling) EmergencyList() (list []string) {
	for _, width := range d.emergencyWidths() {
		most := 1
		for range width {
			most *= 10
		}
		for n := range most {
			if digits := fmt.Sprintf("%0*d", width, n); d.isEmergency(digits) {
				list = append(list, digits)
			}
		}
	}
	for _, digits := range d.EmergencyNumbers {
		if d.isEmergency(digits) {
			list = append(list, digits)
		}
	}
	for _, digits := range slices.Clone(list) {
		for _, line := range slices.Concat(d.Outside, commonLines) {
			if d.Emergency(line + digits) {
				list = append(list, line+digits)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// emergencyWidths are how many digits emergency numbers of the country have.
func (d *Dialling) emergencyWidths() (widths []int) {
	if d.Country == "" {
		return []int{3}
	}
	all, err := phonenumbers.ShortNumberMetadataCollection()
	if err != nil {
		return nil
	}
	for _, m := range all.GetMetadata() {
		if m.GetId() != d.Country {
			continue
		}
		for _, width := range m.GetEmergency().GetPossibleLength() {
			if width >= 2 && width < maxEmergency { // nobody has one of six
				widths = append(widths, int(width))
			}
		}
	}
	return widths
}

// exact returns a string that is nothing but digits, or a URI of them.
func exact(dialled string) (digits string, ok bool) {
	for _, scheme := range schemes {
		dialled = strings.TrimPrefix(dialled, scheme)
	}
	dialled, _, _ = strings.Cut(dialled, "@")
	digits, parameters, _ := strings.Cut(dialled, ";")
	if strings.ContainsAny(parameters, "0123456789%") || len(digits) > maxEmergency+maxEmergencyLine {
		return "", false
	}
	return digits, !strings.ContainsFunc(digits, func(c rune) bool { return !isDigit(c) })
}

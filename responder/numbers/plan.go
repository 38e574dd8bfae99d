package numbers

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// plan is the numbering plan of a region, or of a country code without one.
type plan struct {
	region string // ISO 3166, or "001"
	code   string // country code
	trunk  string // national prefix, such as 0; "" if there is none

	idd       pattern // international prefixes, with carrier codes
	strip     pattern // what may come before a national number
	transform string  // what becomes of a number with such a prefix
	leading   pattern // first digits, if they tell the region from others with its code
	general   pattern
	kinds     []kind // in libphonenumber's order (getNumberTypeHelper)
	lengths   []int32
	local     []int32 // lengths of numbers without an area code
	formats   []format
}

// kind is one type of numbers.
type kind struct {
	name    string // as in Number.Type
	numbers pattern
}

// format says how some numbers of a plan are written.
type format struct {
	leading, numbers pattern
	trunk            bool // always with the national prefix
}

var (
	plans  = map[string]*plan{}   // by region
	byCode = map[string][]*plan{} // by country code, the main region first
)

func init() {
	metadata, err := phonenumbers.MetadataCollection()
	if err != nil {
		panic("numbers: " + err.Error()) // the library itself panics without its metadata
	}
	for _, m := range metadata.GetMetadata() {
		p := newPlan(m)
		if p.region != "001" {
			plans[p.region] = p
		}
		if m.GetMainCountryForCode() {
			byCode[p.code] = slices.Insert(byCode[p.code], 0, p)
		} else {
			byCode[p.code] = append(byCode[p.code], p)
		}
	}
}

func newPlan(m *phonenumbers.PhoneMetadata) *plan {
	p := &plan{
		region: m.GetId(), code: strconv.Itoa(int(m.GetCountryCode())), trunk: m.GetNationalPrefix(),
		idd:       whole(m.GetInternationalPrefix()),
		strip:     start(m.GetNationalPrefixForParsing()),
		transform: group.ReplaceAllString(m.GetNationalPrefixTransformRule(), "$${$1}"),
		leading:   start(m.GetLeadingDigits()),
		general:   whole(m.GetGeneralDesc().GetNationalNumberPattern()),
		lengths:   m.GetGeneralDesc().GetPossibleLength(),
		local:     m.GetGeneralDesc().GetPossibleLengthLocalOnly(),
	}
	for _, k := range []struct {
		name string
		desc *phonenumbers.PhoneNumberDesc
	}{
		{"premium", m.GetPremiumRate()},
		{"", m.GetTollFree()},
		{"shared-cost", m.GetSharedCost()},
		{"", m.GetVoip()},
		{"personal", m.GetPersonalNumber()},
		{"", m.GetPager()},
		{"", m.GetUan()},
		{"", m.GetVoicemail()},
		{"", m.GetFixedLine()},
		{"", m.GetMobile()},
	} {
		if numbers := whole(k.desc.GetNationalNumberPattern()); numbers.can() {
			p.kinds = append(p.kinds, kind{k.name, numbers})
		}
	}
	for _, f := range m.GetNumberFormat() {
		rule, leading := f.GetNationalPrefixFormattingRule(), f.GetLeadingDigitsPattern()
		one := format{numbers: whole(f.GetPattern())}
		if len(leading) > 0 {
			one.leading = start(leading[len(leading)-1])
		}
		one.trunk = p.trunk != "" && strings.HasPrefix(rule, p.trunk) && !f.GetNationalPrefixOptionalWhenFormatting()
		p.formats = append(p.formats, one)
	}
	return p
}

// group is a reference to a group in a transform rule.
var group = regexp.MustCompile(`\$(\d)`)

// pattern is a regular expression that is compiled when it is needed first: there are
// thousands, and a site needs a few.
type pattern struct{ get func() *regexp.Regexp }

func whole(expr string) pattern { return anchored(expr, "$") }
func start(expr string) pattern { return anchored(expr, "") }

func anchored(expr, end string) pattern {
	if expr == "" || expr == "NA" {
		return pattern{}
	}
	return pattern{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + expr + `)` + end) })}
}

// can says whether the pattern matches anything at all.
func (p pattern) can() bool { return p.get != nil }

func (p pattern) match(s string) bool { return p.get != nil && p.get().MatchString(s) }

// has says whether the plan has a number, without any prefix, and its type.
func (p *plan) has(number string) (kind string, ok bool) {
	if !p.possible(number) || !p.general.match(number) {
		return "", false
	}
	for i := range p.kinds {
		if p.kinds[i].numbers.match(number) {
			return p.kinds[i].name, true
		}
	}
	return "", false
}

// possible says whether a number has the right length.
func (p *plan) possible(number string) bool { return slices.Contains(p.lengths, int32(len(number))) }

// needsTrunk says whether a number is always dialled with the national prefix.
func (p *plan) needsTrunk(number string) bool {
	for i := range p.formats {
		f := &p.formats[i]
		if (!f.leading.can() || f.leading.match(number)) && f.numbers.match(number) {
			return f.trunk
		}
	}
	return false
}

// stripped returns a number without its national prefix and carrier code. ok is false if
// it has none.
func (p *plan) stripped(number string) (rest string, ok bool) {
	if !p.strip.can() {
		return "", false
	}
	re := p.strip.get()
	at := re.FindStringSubmatchIndex(number)
	if at == nil || at[1] == 0 {
		return "", false
	}
	if last := len(at) - 2; p.transform != "" && last > 0 && at[last] >= 0 {
		return string(re.ExpandString(nil, p.transform, number, at)) + number[at[1]:], true
	}
	return number[at[1]:], true
}

package fail2ban

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// maxDepth is how deep values may refer to others (configparser's MAX_INTERPOLATION_DEPTH).
const maxDepth = 10

// References to an option, and to one of another section (configparserinc.py
// SECTION_OPTSUBST_CRE).
var (
	reference        = regexp.MustCompile(`^%\(([^)]+)\)s`)
	sectionReference = regexp.MustCompile(`%\(([\p{L}\p{N}_\-]+)/([^)]+)\)s`)
)

// get is the value of an option with all references filled in; ok is false if neither the
// section nor [DEFAULT] has it.
func (c *configuration) get(name, option string) (value string, ok bool, err error) {
	options := maps.Clone(c.defaults)
	maps.Copy(options, c.sections[name])
	raw, ok := options[option]
	if !ok {
		return "", false, nil
	}
	var b strings.Builder
	if err := c.fill(&b, name, raw, options, 1); err != nil {
		return raw, true, fmt.Errorf("%s of [%s]: %w", option, name, err)
	}
	return b.String(), true, nil
}

// fill writes a value with its references filled in (BasicInterpolation._interpolate_some).
func (c *configuration) fill(to *strings.Builder, name, rest string, options section, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the references in %q go too deep, or in circles", rest)
	}
	options = c.withSections(name, rest, options)
	for rest != "" {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			to.WriteString(rest)
			return nil
		}
		to.WriteString(rest[:at])
		rest = rest[at:]
		if strings.HasPrefix(rest, "%%") {
			to.WriteByte('%')
			rest = rest[2:]
			continue
		}
		found := reference.FindStringSubmatch(rest)
		if found == nil {
			return fmt.Errorf("a %% in %q is followed by neither %% nor (NAME)s", rest)
		}
		rest = rest[len(found[0]):]
		value, ok := options[strings.ToLower(found[1])]
		if !ok {
			return fmt.Errorf("%%(%s)s names no option", found[1])
		}
		if !strings.Contains(value, "%") {
			to.WriteString(value)
			continue
		}
		if err := c.fill(to, name, value, options, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// withSections adds the options of other sections that a value refers to, as their
// references name them (_map_section_options).
func (c *configuration) withSections(name, rest string, options section) section {
	options = maps.Clone(options)
	options["__name__"] = name
	for _, found := range sectionReference.FindAllStringSubmatch(rest, -1) {
		key := found[1] + "/" + found[2]
		if _, there := options[key]; there {
			continue
		}
		from := section(nil)
		switch strings.ToLower(found[1]) {
		case "default":
		case "known":
			from = c.known[name]
		default:
			if from = c.sections[found[1]]; from == nil {
				continue
			}
		}
		value, ok := from[found[2]]
		if !ok {
			value, ok = c.defaults[found[2]]
		}
		if ok {
			options[key] = value
		}
	}
	return options
}

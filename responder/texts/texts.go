package texts

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

var (
	//go:embed english.toml
	englishFile string
	//go:embed german.toml
	germanFile string
)

// languages are the files by the code of their language.
var languages = map[string]*Language{"en": english, "de": parse("de", germanFile)}

var english = parse("en", englishFile)

// Language has every text in one language. It does not change, so any goroutine may use
// it. A nil Language is English.
type Language struct {
	code  string
	texts map[string]text
}

// text is one text: if other is "", it does not depend on a number.
type text struct{ one, other string }

// English is the language that others fall back to.
func English() *Language { return english }

// In returns the language with a code such as "de".
func In(code string) (*Language, bool) {
	l, ok := languages[code]
	return l, ok
}

// Codes lists the languages, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(languages)) }

// Code is the language's code, as HTML's lang has it.
func (l *Language) Code() string { return l.or().code }

func (l *Language) or() *Language {
	if l == nil {
		return english
	}
	return l
}

// parse reads a file. The files are part of the program, so a wrong one is a bug.
func parse(code, file string) *Language {
	var tree map[string]any
	if _, err := toml.Decode(file, &tree); err != nil {
		panic("texts: " + code + ": " + err.Error())
	}
	l := &Language{code: code, texts: map[string]text{}}
	l.read("", tree)
	return l
}

// read flattens the tables: a text in [loss] is named "loss.x".
func (l *Language) read(prefix string, tree map[string]any) {
	for name, value := range tree {
		switch v := value.(type) {
		case string:
			l.texts[prefix+name] = text{one: v}
		case map[string]any:
			one, isOne := v["one"].(string)
			other, isOther := v["other"].(string)
			if isOne && isOther {
				l.texts[prefix+name] = text{one, other}
				continue
			}
			l.read(prefix+name+".", v)
		default:
			panic(fmt.Sprintf("texts: %s: %s%s is no text", l.code, prefix, name))
		}
	}
}

// Has says whether there is a text with that key, in this language or in English.
func (l *Language) Has(key string) bool {
	_, ok := l.find(key)
	return ok
}

func (l *Language) find(key string) (text, bool) {
	if t, ok := l.or().texts[key]; ok {
		return t, true
	}
	t, ok := english.texts[key]
	return t, ok
}

// Say returns the text with that key. params are names, each with its value after it: a
// string, which is put in as it is and must be safe to print, or an int, which is written
// as a number. A key that does not exist is a bug; it is returned as it is.
func (l *Language) Say(key string, params ...any) string {
	t, ok := l.find(key)
	if !ok {
		return key
	}
	words := t.one
	pairs := make([]string, 0, len(params))
	for n := 0; n+1 < len(params); n += 2 {
		name := params[n].(string)
		value, isText := params[n+1].(string)
		if number, isNumber := params[n+1].(int); isNumber {
			value = l.Number(int64(number))
			if name == "n" && t.other != "" && number != 1 {
				words = t.other
			}
		} else if !isText {
			value = fmt.Sprint(params[n+1])
		}
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(words) // in one pass: a value is not searched
}

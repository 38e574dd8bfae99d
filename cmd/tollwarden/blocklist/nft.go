package blocklist

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
)

// nft takes a line of "nft list set", "list table" or "list ruleset".
func (r *reader) nft(text string) bool {
	if r.elements {
		r.elementsOf(text)
		return true
	}
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case word == "table" && strings.HasSuffix(text, "{"), text == "}":
		return true
	case (word == "set" || word == "map" || word == "chain") && strings.HasSuffix(text, "{"):
		r.begin(strings.TrimSpace(strings.TrimSuffix(rest, "{")))
		return true
	case word == "elements":
		_, list, _ := strings.Cut(text, "{")
		r.elements = true
		r.elementsOf(list)
		return true
	}
	for _, word := range []string{"type ", "typeof ", "flags ", "timeout ", "gc-interval ", "size ", "auto-merge", "policy ", "comment ", "counter", "jump ", "hook "} {
		if strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}

// elementsOf takes elements, up to the brace that ends them.
func (r *reader) elementsOf(text string) {
	list, _, ended := strings.Cut(text, "}")
	for element := range strings.SplitSeq(list, ",") {
		word, rest, _ := strings.Cut(strings.TrimSpace(element), " ")
		if word != "" {
			r.entry(word, rest)
		}
	}
	r.elements = !ended
}

// maxRange is how many prefixes a range is split into at most.
const maxRange = 64

// between splits a range of addresses into prefixes; nil if it is none.
func between(first, last string) []netip.Prefix {
	from, err1 := netip.ParseAddr(first)
	to, err2 := netip.ParseAddr(last)
	if err1 != nil || err2 != nil {
		return nil
	}
	return takeover.Prefixes(from, to, maxRange)
}

// listing is what "nft --json list …" prints (libnftables-json(5)).
type listing struct {
	Nftables []struct {
		Set *struct {
			Name string            `json:"name"`
			Elem []json.RawMessage `json:"elem"`
		} `json:"set"`
	} `json:"nftables"`
}

// element is one with more than a value.
type element struct {
	Elem *struct {
		Val     json.RawMessage `json:"val"`
		Expires *int64          `json:"expires"`
		Timeout *int64          `json:"timeout"`
	} `json:"elem"`
	Prefix *struct {
		Addr string `json:"addr"`
		Len  int    `json:"len"`
	} `json:"prefix"`
	Range []string `json:"range"`
}

// readJSON takes the elements of sets.
func readJSON(im *takeover.Import, in io.Reader, now time.Time, s Source) error {
	var l listing
	if err := json.NewDecoder(io.LimitReader(in, 1<<30)).Decode(&l); err != nil {
		return fmt.Errorf("the JSON of nft: %w", err)
	}
	r := reader{im: im, now: now, source: s}
	for _, item := range l.Nftables {
		if item.Set == nil {
			continue
		}
		r.begin(item.Set.Name)
		for _, raw := range item.Set.Elem {
			r.element(raw, "")
		}
	}
	if s.Set != "" && !r.found {
		return fmt.Errorf("there is no set %s", s.Set)
	}
	return nil
}

// element takes an element with what is known of its time.
func (r *reader) element(raw json.RawMessage, rest string) {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		r.entry(word, rest)
		return
	}
	var e element
	err := json.Unmarshal(raw, &e)
	switch {
	case err == nil && e.Elem != nil && rest == "" && len(e.Elem.Val) > 0:
		if e.Elem.Expires != nil {
			rest = fmt.Sprintf("expires %d", *e.Elem.Expires)
		} else if e.Elem.Timeout != nil {
			rest = fmt.Sprintf("timeout %d", *e.Elem.Timeout)
		}
		r.element(e.Elem.Val, rest+" ")
	case err == nil && e.Prefix != nil:
		r.entry(fmt.Sprintf("%s/%d", e.Prefix.Addr, e.Prefix.Len), rest)
	case err == nil && len(e.Range) == 2:
		r.entry(e.Range[0]+"-"+e.Range[1], rest)
	case r.wanted:
		r.im.Skip(string(raw), "an element of set "+r.set+" that is neither an address nor a range")
	}
}

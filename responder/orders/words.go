package orders

import "fmt"

// nouns are what an order is called.
var nouns = map[Kind]string{Lock: "lock", Restrict: "restriction", Rotate: "changed password"}

// Words says what an order is and what became of it, in one line.
func (o *Order) Words() string {
	words := fmt.Sprintf("the %s of %s: %s", nouns[o.Kind], o.Account, o.State)
	if o.Reason != "" {
		words += ", " + o.Reason
	}
	return words
}

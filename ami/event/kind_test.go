package event

import "testing"

func TestKindNames(t *testing.T) {
	for _, k := range Kinds() {
		if kindOf([]byte(k.String())) != k {
			t.Errorf("%v is not read under its own name", k)
		}
	}
	if NoEvent.String() != "NoEvent" || kinds.String() != "NoEvent" {
		t.Error("no event has no name")
	}
}

package event

import "testing"

func TestKindNames(t *testing.T) {
	for _, k := range Kinds() {
		if kindOf([]byte(k.String())) != k {
			t.Errorf("%v is not found by its name", k)
		}
	}
	if NoEvent.String() != "NoEvent" || kindCount.String() != "NoEvent" {
		t.Error("invalid kinds have names")
	}
}

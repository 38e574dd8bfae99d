package numbers_test

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// The cost of one call's number: an ordinary one, and those that are guessed at longest.
func BenchmarkRead(b *testing.B) {
	for _, bm := range []struct{ name, country, dialled string }{
		{"national", "GB", "02079460001"},
		{"national US", "US", "2125550123"},
		{"abroad", "GB", "0033140205050"},
		{"satellite", "DE", "00881612345678"},
		{"behind digits", "GB", "77881612345678"},
		{"nothing", "GB", "70070070070070070070"},
		{"nothing US", "US", "0110110110112125550"},
		{"feature code", "BR", "*67001500150015001500150015001500"},
		{"letters", "GB", "00w00w0044p0011*0033#0099*00881WWW0011#00a4420"},
		{"zeros", "AU", "000000000000000000000000000000000000000000000000000000000000000000000000000000"},
		{"many", "US", "0118816&0118817&0118818&0118819&0118816&0118817&0118818&0118819&0118816&0118817&0118818&0118819"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			d := numbers.Dialling{Country: bm.country, Outside: []string{"9"}, Internal: 6}
			for b.Loop() {
				d.Read(bm.dialled)
			}
		})
	}
}

func BenchmarkEmergency(b *testing.B) {
	d := numbers.Dialling{Country: "GB", Outside: []string{"9"}}
	for b.Loop() {
		d.Emergency("9112")
	}
}

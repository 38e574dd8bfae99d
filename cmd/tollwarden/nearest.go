package main

import "strings"

// nearest is the name that a person most likely meant: one or two letters differ, or two
// are swapped. It is "" if none is close, or the name itself is there.
func nearest(meant string, names []string) (best string) {
	most := 2
	if len(meant) < 4 {
		most = 1
	}
	distance := most + 1
	for _, name := range names {
		if name == meant {
			return ""
		}
		if d := typos(strings.ToLower(meant), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// typos counts the bytes to insert, remove or replace, and the neighbours to swap, to make
// b of a.
func typos(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

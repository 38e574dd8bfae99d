package main

import "strings"

// maxNear bounds the names that nearest proposes.
const maxNear = 3

// nearest are the names that a person most likely meant: one or two letters differ, or two
// are swapped. There are none if no name is close, or the name itself is there.
func nearest(meant string, names []string) (best []string) {
	distance := 2
	if len(meant) < 5 {
		distance = 1
	}
	for _, name := range names {
		if name == meant {
			return nil
		}
		switch d := typos(strings.ToLower(meant), strings.ToLower(name)); {
		case d < distance:
			best, distance = []string{name}, d
		case d == distance && len(best) < maxNear:
			best = append(best, name)
		}
	}
	return best
}

// oneOf lists names of which one is meant.
func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
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

//go:build race

package month_test

// raceDetector: everything takes ten times as long, and nothing runs at once anyway.
const raceDetector = true

//go:build race

package numbers_test

// raceDetector: everything takes ten times as long.
const raceDetector = true

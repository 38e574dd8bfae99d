//go:build race

package responder_test

// raceDetector: everything takes ten times as long.
const raceDetector = true

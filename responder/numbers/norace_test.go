//go:build !race

package numbers_test

const raceDetector = false

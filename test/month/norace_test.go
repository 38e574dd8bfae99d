//go:build !race

package month_test

const raceDetector = false

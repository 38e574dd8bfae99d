// Package replayview shows the result of a replay: as JSON, as tables on a terminal
// and as one HTML page.
package replayview

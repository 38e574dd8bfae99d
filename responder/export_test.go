package responder

import "testing"

// SmallPages has bans recalled by so few at a time until the test ends.
func SmallPages(t *testing.T, n int) {
	was := recallPage
	recallPage = n
	t.Cleanup(func() { recallPage = was })
}

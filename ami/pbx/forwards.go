package pbx

import (
	"context"
	"fmt"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/calls"
)

// forwardFamilies are the families of Asterisk's database in which FreePBX and dialplans
// like it keep call forwards, by extension, and which calls they send on.
var forwardFamilies = []struct{ family, which string }{
	{"CF", "all calls"}, {"CFB", "calls while busy"}, {"CFU", "unanswered calls"},
}

// maxForwards bounds the forwards read from one family.
const maxForwards = 1 << 14

// Forwards lists the call forwards in Asterisk's database. Asterisk raises no event when one
// is set, so they have to be looked for. An Asterisk that cannot list its database (before
// 16.24 and 18.10) has none.
func (i inventory) Forwards(ctx context.Context) (list []calls.Forward, err error) {
	for _, f := range forwardFamilies {
		r, err := i.asterisk.do(ctx, ami.DatabaseTree(f.family))
		if unknownAction(err) || answered(err, "Database entry not found") {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list call forwards (%s): %w", f.family, err)
		}
		for _, e := range r.Events[:min(len(r.Events), maxForwards)] {
			item := responseOf(e)
			if account, ok := strings.CutPrefix(item.Get("Key"), "/"+f.family+"/"); ok && once(item, "Key", "Val") && item.Get("Val") != "" {
				list = append(list, calls.Forward{Account: strings.Clone(account), Which: f.which, Number: own(item, "Val")})
			}
		}
	}
	return list, nil
}

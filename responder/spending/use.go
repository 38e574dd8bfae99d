package spending

import "time"

// Call is a call that costs.
type Call struct {
	Channel string // names it; the leg to the trunk, or the channel of the account
	Account string // that caused it; "" if that is not known
	Trunk   string // "" if that is not known
	E164    string // the number with +; "" if it cannot be read
	Place   string // where that is: a country, or a class such as satellite; "" if unknown
	Class   Class
}

// running is a call that is up.
type running struct {
	Call
	answered time.Time // zero: not yet
	forgiven time.Time // what came before no longer counts towards limits
}

// slot is the grid on which calls are cut into pieces: all time zones and most working
// hours begin at a multiple of it.
const slot = 15 * time.Minute

// Use is what was spent within one hour: by an account, over a trunk, on one place.
type Use struct {
	Hour           int64 // since 1970
	Account, Trunk string
	Place          string
	Risky          bool // a place where the hard limit applies before anything is learned
	Closed         bool // outside working hours
	Forgiven       bool // it no longer counts towards limits, since a person has said so
	Sum
}

// usedIn is the key of a Use within its hour.
type usedIn struct {
	account, trunk, place             string
	risky, closed, forgiven, estimate bool
}

func (u *Use) key() usedIn {
	return usedIn{u.Account, u.Trunk, u.Place, u.Risky, u.Closed, u.Forgiven, u.Estimate}
}

// cut calls piece for what a call from one time to another spends in each hour, within
// and outside working hours. Each call counts for a minute at least.
func (r *Rules) cut(c *running, to time.Time, piece func(Use)) {
	length := max(to.Sub(c.answered), 0) // by the monotonic clock, where there is one
	length = min(length, longest*time.Second)
	to = to.Round(0)
	from := to.Add(-length)
	rate, known := r.rate(&c.Call)
	var spent Money
	var seen [4]bool // whether the call was counted: closed, forgiven
	for at := from; ; {
		end := at.Truncate(slot).Add(slot)
		if c.forgiven.After(at) && c.forgiven.Before(end) {
			end = c.forgiven
		}
		last := !end.Before(to)
		if last {
			end = to
		}
		u := Use{
			Hour: at.Unix() / 3600, Account: c.Account, Trunk: c.Trunk, Place: c.Place, Risky: c.Class.risky(),
			Closed: r.closed(at), Forgiven: at.Before(c.forgiven),
		}
		u.Time = end.Sub(at)
		if last {
			u.Time += max(time.Minute-length, 0)
		}
		part := 0
		if u.Closed {
			part++
		}
		if u.Forgiven {
			part += 2
		}
		if !seen[part] {
			seen[part], u.Calls = true, 1
		}
		price := rate.Price(end.Sub(from))
		u.Money, u.Estimate = price-spent, !known
		spent = price
		piece(u)
		if last {
			return
		}
		at = end
	}
}

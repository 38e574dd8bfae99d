package report

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// loss is an upper bound: carriers charge from the answer on.
func (f *facts) loss() (lost []string) {
	t := f.tally()
	switch {
	case f.i.Bare:
		return []string{f.say("loss.bare", "command", f.command())}
	case t.all == 0 && (f.breakIn || f.account != "" && (f.i.Key.Per == score.PerAccount || f.i.Key.Per == score.PerOrigin)):
		return []string{f.say("loss.no-calls")}
	case t.all == 0:
		return []string{f.say("loss.nothing")}
	}
	cost := f.cost()
	if cost.Amount > 0 {
		lost = append(lost, f.costWords(cost, t.up > 0))
	}
	if t.minutes > 0 {
		lost = append(lost, f.say("loss.minutes", "time", f.Language.Duration(t.talked+time.Second-1), "minutes", f.say("count.minutes", "n", t.minutes)))
	}
	switch {
	case t.answered == 0 && t.up > 0:
		lost = append(lost, f.say("loss.none-known", "n", t.all))
	case t.answered == 0:
		lost = append(lost, f.say("loss.none-answered", "n", t.all))
	}
	switch {
	case t.upAnswered > 0:
		lost = append(lost, f.say("loss.up-answered", "n", t.upAnswered))
	case t.up > 0:
		lost = append(lost, f.say("loss.up", "n", t.up))
	}
	if t.answered > 0 {
		lost = append(lost, f.say("loss.carrier"))
	}
	return lost
}

// costWords says what calls cost, and how that is known.
func (f *facts) costWords(c incident.Cost, running bool) string {
	key := "loss.money"
	if c.Estimate {
		key = "loss.money-estimate"
	}
	if running {
		key += "-so-far"
	}
	return f.say(key, "money", f.money(c))
}

func (f *facts) money(c incident.Cost) string { return f.Language.Money(c.Amount, plain(c.Currency)) }

// callTable lists the calls as a carrier asks for them.
func (f *facts) callTable() *Table {
	if len(f.calls) == 0 {
		return nil
	}
	t := &Table{Stack: true, Columns: []Column{
		{Name: f.say("calls.began")},
		{Name: f.say("calls.number"), Free: true},
		{Name: f.say("calls.country"), Free: true},
		{Name: f.say("calls.answered")},
		{Name: f.say("calls.lasted"), Right: true},
		{Name: f.say("calls.cost"), Right: true},
	}}
	costs := f.cost().Amount > 0
	if !costs {
		t.Columns = t.Columns[:5]
	}
	for _, c := range f.calls {
		began := c.Began.In(f.zone())
		row := []string{began.Format(time.DateTime), c.number, c.country, f.say("calls.no"), "", ""}
		if c.country == "" {
			row[2] = "–"
		}
		switch {
		case c.answered && c.ended:
			row[3], row[4] = f.Language.Clock(c.Answered.In(f.zone())), f.Language.Duration(c.talked)
		case c.answered:
			row[3], row[4] = f.Language.Clock(c.Answered.In(f.zone())), f.say("calls.up")
		case c.ended:
			row[4] = "–"
		default:
			row[3], row[4] = f.say("calls.unknown"), f.say("calls.up")
		}
		if c.Cost.Amount > 0 {
			row[5] = f.money(c.Cost)
		}
		t.Rows = append(t.Rows, row[:len(t.Columns)])
	}
	return t
}

package config

import (
	"regexp"
	"time"
)

// Budget is what calls abroad and to costly numbers may use within 24 hours.
type Budget struct {
	BudgetLimits // of an account
	Site         BudgetLimits
	Trunk        BudgetLimits
	Usual        [2]int        // soft and hard: so many usual days
	Block        time.Duration // how long the hard limit blocks costly calls
	Currency     string
}

// BudgetLimits are a soft and a hard limit of each measure; 0 is none.
type BudgetLimits struct {
	Minutes, OffHours, Money [2]int
}

type fileBudget struct {
	fileBudgetLimits
	Site     *fileBudgetLimits `toml:"site"`
	Trunk    *fileBudgetLimits `toml:"trunk"`
	Usual    *[]int            `toml:"usual"`
	Block    *string           `toml:"block"`
	Currency *string           `toml:"currency"`
}

type fileBudgetLimits struct {
	Minutes  *[]int `toml:"minutes"`
	OffHours *[]int `toml:"off_hours"`
	Money    *[]int `toml:"money"`
}

// Bounds of [calls.budget].
const (
	maxBudget = 1_000_000
	maxUsual  = 100
	maxBlock  = 30 * 24 * time.Hour
)

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)

func (p *parser) budget(in *fileBudget, b *Budget) {
	p.budgetLimits("calls.budget", &in.fileBudgetLimits, &b.BudgetLimits)
	p.budgetLimits("calls.budget.site", in.Site, &b.Site)
	p.budgetLimits("calls.budget.trunk", in.Trunk, &b.Trunk)
	p.softHard("calls.budget.usual", in.Usual, &b.Usual, maxUsual)
	p.duration("calls.budget.block", in.Block, &b.Block)
	p.between("calls.budget.block", b.Block, time.Minute, maxBlock)
	set(in.Currency, &b.Currency)
	if !currencyForm.MatchString(b.Currency) {
		p.fail("calls.budget.currency", `%q: want three capital letters, such as "EUR"`, b.Currency)
	}
}

func (p *parser) budgetLimits(key string, in *fileBudgetLimits, l *BudgetLimits) {
	if in == nil {
		return
	}
	p.softHard(key+".minutes", in.Minutes, &l.Minutes, maxBudget)
	p.softHard(key+".off_hours", in.OffHours, &l.OffHours, maxBudget)
	p.softHard(key+".money", in.Money, &l.Money, maxBudget)
}

// softHard reads a soft and a hard limit.
func (p *parser) softHard(key string, in *[]int, out *[2]int, most int) {
	if in == nil {
		return
	}
	if len(*in) != 2 {
		p.fail(key, "%v: want a soft and a hard limit, such as [30, 50]; 0 is none", *in)
		return
	}
	*out = [2]int{(*in)[0], (*in)[1]}
	for _, n := range *out {
		if n < 0 || n > most {
			p.fail(key, "%d: want 0 (no limit) to %d", n, most)
		}
	}
	if out[0] > out[1] && out[1] > 0 {
		p.fail(key, "%v: want the soft limit first, at most as high as the hard one", *in)
	}
}

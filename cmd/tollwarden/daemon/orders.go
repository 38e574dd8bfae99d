package daemon

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// checkOrdersName names the check of what must stay in force.
const checkOrdersName = "orders"

// Orders are what must stay in force for accounts.
func (b *apiBackend) Orders() []control.Order { return ordersOf(b.engine.Orders()) }

func ordersOf(list []orders.Order) []control.Order {
	out := make([]control.Order, len(list))
	for i, o := range list {
		out[i] = control.Order{
			Account: o.Account, Order: string(o.Kind), State: string(o.State), Reason: o.Reason, Networks: o.Networks,
			Created: o.Created, Since: o.Since, Incident: o.Incident, Repairs: len(o.Repairs),
		}
	}
	return out
}

// checkOrders fails while something that was ordered is not in force. A lock that Asterisk
// cannot keep is not among it: the daemon itself ends the account's calls then.
func checkOrders(_ time.Time, senses responder.Senses) control.Check {
	broken := slices.DeleteFunc(slices.Clone(senses.Broken), func(o orders.Order) bool {
		return o.Kind == orders.Lock && o.State == orders.CannotPutBack
	})
	if len(broken) == 0 {
		return control.Check{Name: checkOrdersName, OK: true, Detail: "locks, restrictions and changed passwords are in force"}
	}
	return control.Check{Name: checkOrdersName, Detail: list(broken, orderText) + "; `tollwarden orders` lists all"}
}

// orderText says what is wrong with an order, what is done meanwhile, and what to do.
func orderText(o orders.Order) string {
	text := o.Words()
	switch {
	case !o.State.Broken():
	case o.Kind == orders.Lock:
		text += ". The daemon ends its calls itself meanwhile"
	default:
		text += ". Its calls and registrations from unknown places are ended meanwhile; known places go on"
	}
	switch {
	case !o.State.Broken():
	case o.State == orders.GaveUp:
		text += fmt.Sprintf(". Another program writes Asterisk's files: change it there. Then run %s", incident.AccountCommand("unlock", o.Account))
	case o.Kind == orders.Rotate:
		text += fmt.Sprintf(". Change the password where it is kept and run %s, or run %s", incident.AccountCommand("unlock", o.Account), incident.AccountCommand("rotate", o.Account))
	default:
		text += fmt.Sprintf(". It is tried again; %s ends it", incident.AccountCommand("unlock", o.Account))
	}
	return text
}

// orderAlarm is the alarm about an order that a person should hear of.
func orderAlarm(now time.Time, n contain.News) alarm {
	text := orderText(n.Order)
	if n.Detail != "" {
		text += " (" + n.Detail + ")"
	}
	return alarm{Event: alarmOrder, At: now, Text: text}
}

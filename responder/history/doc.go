// Package history learns from records of past calls what is usual for each account: the
// countries it calls, when it last called, and what it spends a day, within and outside
// working hours. It is pure; the caller reads the records.
//
// A thief's calls must not become usual. What follows teaches nothing:
//   - calls of the last 24 hours, which nobody has looked at yet;
//   - calls to numbers known for fraud (high-risk, premium, satellite) or forbidden by the
//     rules;
//   - all costly calls of an account on a suspicious day, on the day before and on the one
//     after: a thief tries first, and comes back. A day is suspicious if the account made
//     three calls known for fraud, more calls within an hour of the night than the rules
//     allow, spent more than the hard limit at night, or called faster than a person dials;
//   - all costly calls at night on a day on which the whole site spent more than its hard
//     limit at night: a thief with many passwords uses little of each.
//
// Night is outside working hours, or, if none are configured, from 20 to 7 o'clock and the
// weekend.
package history

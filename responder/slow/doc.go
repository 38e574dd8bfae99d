// Package slow finds guessing that is spread over so many days, addresses and
// accounts that no threshold over an hour or a day sees it. It is pure: no I/O, no
// goroutines, no locks; time comes with the observations. Its owner calls it from one
// goroutine at a time.
//
// # What counts
//
// A wrong password counts if the account is not used at the address it came from:
// it has not logged in there lately and is not at home in the address's network. A
// success at the address takes back what its owner mistyped before. A phone with an
// old password does not count either, however long it goes on: it began to fail at a
// place where the account was known, and stays the account's own until it has been
// silent for a month.
//
// What counts is kept by address and account for Config.Within, and raises
//
//   - SlowGuesser: one address fails for several accounts, or goes on for days. A
//     phone has one account, and began to fail where that was known.
//   - SlowNetwork: the same for all addresses of a /24 (IPv6: /48) together.
//   - SlowAttack: the failures for one account keep changing their address. A phone
//     that moves has one address at a time and does not return to the one before.
//   - LastingFailures: wrong passwords for one account go on for days, from whatever
//     addresses. It is raised once, and again when they had stopped for
//     Config.Within. A phone with an old password on a dynamic address raises it, too.
//   - GuessingCampaign: many accounts of the site are guessed at. It is raised once
//     and again after Config.Within, or when proven failures alone would raise it.
//     Meanwhile a SlowGuesser takes only two accounts and three failures, and
//     SlowAttack and LastingFailures are not raised.
//
// # Floods
//
// Forged packets can name any address. An address with a proven failure is evicted
// after those without, and one that tried several accounts after those that tried
// one; each class keeps a quarter of the table. Signals say whether proven failures
// alone raise them, and what these count is kept separately, so that forged ones
// neither make an attack look proven nor hide one that is.
//
// # Restarts
//
// Changed yields what changed since the last call, to be kept on disk, and Restore
// takes it back. After a restart each address counts once towards SlowAttack.
package slow

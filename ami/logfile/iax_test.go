package logfile

import "testing"

// Lines that chan_iax2 of Debian's Asterisk 16.28 and of 22 wrote about the same attempts
// (authdebug=yes), with what they say. Both use the same words; the level differs.
func TestLinesOfIAX2(t *testing.T) {
	const from = "from 198.51.100.10"
	for line, want := range map[string]string{
		`[2026-11-30 16:11:14.869] NOTICE[28729] chan_iax2.c: Host 198.51.100.10 failed MD5 authentication for '2001' (3c4af6b4a78513358e06602ee44536c7 != 46e187e0ee4c840d836593c2d79a5e5d)`: `IAX2 InvalidPassword "2001" ` + from + `:0`,
		`[2026-11-30 16:11:07.956] NOTICE[28439] chan_iax2.c: Host 198.51.100.10 failed MD5 authentication for '2001' (8671a647d2999c0533cbece6f705e34f != 561c6d97ce94c4036fc89a01b7a290a4)`: `IAX2 InvalidPassword "2001" ` + from + `:0`,
		`[2026-11-30 16:11:07.957] NOTICE[28434] chan_iax2.c: No registration for peer 'nobody' (from 198.51.100.10)`:                                                                         `IAX2 InvalidAccountID "nobody" ` + from + `:0`,
		`[2026-11-30 16:11:14.873] NOTICE[28723] chan_iax2.c: No registration for peer 'nobody' (from 198.51.100.10)`:                                                                         `IAX2 InvalidAccountID "nobody" ` + from + `:0`,
		`[2026-11-30 16:11:07.957] NOTICE[28440] chan_iax2.c: Empty registration from 198.51.100.10`:                                                                                          `IAX2 RequestBadFormat "" ` + from + `:0`,
		`[2026-11-30 16:11:14.874] NOTICE[28729] chan_iax2.c: Empty registration from 198.51.100.10`:                                                                                          `IAX2 RequestBadFormat "" ` + from + `:0`,
		`[2026-11-30 16:11:07.958] NOTICE[28434] chan_iax2.c: Host 198.51.100.10 denied access to register peer '2002'`:                                                                       `IAX2 FailedACL "2002" ` + from + `:0`,
		`[2026-11-30 16:11:14.874] NOTICE[28723] chan_iax2.c: Host 198.51.100.10 denied access to register peer '2002'`:                                                                       `IAX2 FailedACL "2002" ` + from + `:0`,
		`[2026-11-30 16:11:07.959] NOTICE[28434] chan_iax2.c: Peer '2004' is not dynamic (from 198.51.100.10)`:                                                                                `IAX2 FailedACL "2004" ` + from + `:0`,
		`[2026-11-30 16:11:14.875] NOTICE[28723] chan_iax2.c: Peer '2004' is not dynamic (from 198.51.100.10)`:                                                                                `IAX2 FailedACL "2004" ` + from + `:0`,
		`[2026-11-30 16:11:13.970] WARNING[28435] chan_iax2.c: Host 198.51.100.10:41989 failed to authenticate as 2001`:                                                                       `IAX2 InvalidPassword "2001" ` + from + `:41989`,
		`[2026-11-30 16:11:20.893] NOTICE[28726] chan_iax2.c: Host 198.51.100.10:54541 failed to authenticate as 2001`:                                                                        `IAX2 InvalidPassword "2001" ` + from + `:54541`,
		`[2026-11-30 16:11:13.971] WARNING[28433] chan_iax2.c: Host 198.51.100.10:43150 failed to authenticate as Front Desk`:                                                                 `IAX2 InvalidPassword "Front Desk" ` + from + `:43150`,
		`[2026-11-30 16:11:20.898] NOTICE[28725] chan_iax2.c: Host 198.51.100.10:42455 failed to authenticate as Front Desk`:                                                                  `IAX2 InvalidPassword "Front Desk" ` + from + `:42455`,

		// No attempts.
		`[2026-11-30 16:11:13.970] WARNING[28435] chan_iax2.c: MD5 secret mismatch`:                                                                                      ``,
		`[2026-11-30 16:11:13.969] WARNING[28440] chan_iax2.c: Rejected connect attempt from 198.51.100.10:38877, request '77777@internal' does not exist`:               ``,
		`[2026-11-30 16:11:20.890] NOTICE[28729] chan_iax2.c: Rejected connect attempt from 198.51.100.10:51572, request '77777@internal' does not exist`:                ``,
		`[2026-11-30 16:11:07.780] WARNING[28383] chan_iax2.c: Auth method for user '2005' is set to deprecated 'plaintext' at line 27 of iax.conf`:                      ``,
		`[2026-11-30 16:11:14.642] WARNING[28670] chan_iax2.c: Auth method for peer '2005' is set to deprecated 'plaintext' at line 27 of iax.conf`:                      ``,
		`[2026-11-30 16:11:14.642] NOTICE[28670] chan_iax2.c: Peer '2001' is now REACHABLE! Time: 3`:                                                                     ``,
		`[2026-11-30 16:11:14.642] WARNING[28670] chan_iax2.c: Address 198.51.100.10 failed CallToken hash inspection`:                                                   ``,
		`[2026-11-30 16:11:14.642] NOTICE[28670] chan_iax2.c: Rejected connect attempt from 198.51.100.10:1, request ', who was trying to reach 'x@y@in' does not exist`: ``,

		// As Asterisk's source formats them.
		`[2026-11-30 16:11:14.642] NOTICE[28670] chan_iax2.c: Host 198.51.100.10 did not provide proper plaintext password for '2005'`:                        `IAX2 InvalidPassword "2005" ` + from + `:0`,
		`[2026-11-30 16:11:14.642] NOTICE[28670] chan_iax2.c: Host 2001:db8::7 denied access to register peer 'o'brien'`:                                      `IAX2 FailedACL "o'brien" from [2001:db8::7]:0`,
		`[2026-11-30 16:11:14.642] NOTICE[28670] chan_iax2.c: Rejected connect attempt from 198.51.100.10:4569, who was trying to reach '0044@'`:              `IAX2 InvalidAccountID "" ` + from + `:4569`,
		`[2026-11-30 16:11:14.642] NOTICE[28670] chan_iax2.c: Rejected connect attempt from [2001:db8::7]:4569, who was trying to reach 'a, request 'b@c@in'`: `IAX2 InvalidAccountID "" from [2001:db8::7]:4569`,

		// A name with a line feed, as both write it.
		"[2026-11-30 16:11:07.962] NOTICE[28437] chan_iax2.c: No registration for peer 'x\nNOTICE y' (from 198.51.100.10)":            "tampered",
		"[2026-11-30 16:11:13.973] WARNING[28437] chan_iax2.c: Host 198.51.100.10:40589 failed to authenticate as x\nNOTICE y":        "tampered",
		"[2026-11-30 16:11:13.973] WARNING[28437] chan_iax2.c: Host 198.51.100.10:40589 failed to authenticate as 8.8.8.8 is no name": `IAX2 InvalidPassword "8.8.8.8 is no name" ` + from + `:40589`,
	} {
		if want == "" {
			wantFound(t, line)
			continue
		}
		wantFound(t, line, want)
	}
}

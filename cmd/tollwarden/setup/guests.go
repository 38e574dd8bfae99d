package setup

import (
	"path/filepath"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// guestCalls says how somebody without a password can call in, with the way to turn that
// off; both are "" if nobody can.
func guestCalls(etc string, freePBX bool) (how, off string) {
	if usesChanSIP(etc) {
		if guests := load(etc, "sip.conf").Value("general", "allowguest"); guests == "" || conffile.True(guests) {
			how, off = "allowguest in sip.conf", "set allowguest = no in section [general] of "+filepath.Join(etc, "sip.conf")+", then run: asterisk -rx \"sip reload\""
		}
	}
	for _, name := range []string{"pjsip.conf", "pjsip.endpoint.conf"} {
		for _, s := range load(etc, name).Sections {
			if strings.EqualFold(s.Name, "anonymous") && value(s, "type") == "endpoint" {
				how, off = "the endpoint [anonymous] in PJSIP", "remove the endpoint [anonymous] from PJSIP's configuration, then run: asterisk -rx \"module reload res_pjsip.so\""
			}
		}
	}
	if how != "" && freePBX {
		off = "in FreePBX, Settings > Asterisk SIP Settings: set \"Allow Anonymous Inbound SIP Calls\" and \"Allow SIP Guests\" to No, then Apply Config"
	}
	return how, off
}

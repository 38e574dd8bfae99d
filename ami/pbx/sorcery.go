package pbx

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// sorcery is where res_pjsip keeps its objects, from sorcery.conf.
type sorcery struct {
	authFiles      []string // config files with auth objects
	authFamily     string   // realtime family of auth objects, or ""
	authCaches     []string // names of memory caches in front of them
	endpointFiles  []string // the same of endpoints
	endpointFamily string
	endpointCaches []string
	contactFamily  string // realtime family of registered contacts, or ""

	transportFiles  []string // config files with transports
	transportFamily string   // realtime family of transports, or ""
}

// stores reads sorcery.conf through Asterisk. Without a mapping, auth objects
// are in pjsip.conf (res_pjsip/config_auth.c).
func (ast asterisk) stores(ctx context.Context) (sorcery, error) {
	conf, err := ast.getConfig(ctx, "sorcery.conf")
	if err != nil {
		return sorcery{}, err
	}
	return readSorcery(conf), nil
}

// readSorcery reads "type[/option]=wizard,argument[,option…]" of [res_pjsip].
func readSorcery(conf config) sorcery {
	var s sorcery
	for _, c := range conf {
		if c.name != "res_pjsip" {
			continue
		}
		for _, v := range c.vars {
			object, _, _ := strings.Cut(v.Name, "/")
			wizard, args, _ := strings.Cut(v.Value, ",")
			first, options, _ := strings.Cut(args, ",")
			switch object + " " + wizard {
			case "auth config":
				s.authFiles = append(s.authFiles, first)
			case "auth realtime":
				s.authFamily = cmp.Or(s.authFamily, first)
			case "auth memory_cache":
				s.authCaches = append(s.authCaches, cacheName(first+","+options, object))
			case "endpoint config":
				s.endpointFiles = append(s.endpointFiles, first)
			case "endpoint realtime":
				s.endpointFamily = cmp.Or(s.endpointFamily, first)
			case "endpoint memory_cache":
				s.endpointCaches = append(s.endpointCaches, cacheName(first+","+options, object))
			case "contact realtime":
				s.contactFamily = cmp.Or(s.contactFamily, first)
			case "transport config":
				s.transportFiles = append(s.transportFiles, first)
			case "transport realtime":
				s.transportFamily = cmp.Or(s.transportFamily, first)
			}
		}
	}
	if !slices.Contains(s.endpointFiles, "pjsip.conf") && s.endpointFamily == "" {
		s.endpointFiles = append(s.endpointFiles, "pjsip.conf")
	}
	if !slices.Contains(s.transportFiles, "pjsip.conf") && s.transportFamily == "" {
		s.transportFiles = append(s.transportFiles, "pjsip.conf")
	}
	if !slices.Contains(s.authFiles, "pjsip.conf") && s.authFamily == "" {
		s.authFiles = append(s.authFiles, "pjsip.conf")
	}
	return s
}

// cacheName is the option name= of a memory cache, or what Asterisk calls a
// nameless one: module/object type.
func cacheName(options, object string) string {
	for _, o := range list(options) {
		if name, ok := strings.CutPrefix(o, "name="); ok {
			return name
		}
	}
	return "res_pjsip/" + object
}

package amitest

import (
	"maps"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

func dbKey(family, key string) string { return "/" + family + "/" + key }

// Database returns a value from Asterisk's database.
func (p *PBX) Database(family, key string) (value string, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	value, found = p.database[dbKey(family, key)]
	return value, found
}

// rows returns the keys below a family and key, in order. It compares whole parts of a key,
// like main/db.c: "contact/1001" does not contain "contact/1001;@x".
func (p *PBX) rows(family, key string) (keys []string) {
	prefix := ""
	for _, part := range []string{family, key} {
		if part != "" {
			prefix += "/" + part
		}
	}
	for _, k := range slices.Sorted(maps.Keys(p.database)) {
		if prefix == "" || strings.HasPrefix(k+"/", prefix+"/") {
			keys = append(keys, k)
		}
	}
	return keys
}

func doDBGet(p *PBX, _ *session, r request, a *reply) {
	family, key := r.get("Family"), r.get("Key")
	value, found := p.database[dbKey(family, key)]
	if !found {
		a.refuse("Database entry not found")
		return
	}
	a.list("Result will follow")
	a.lastID("DBGetResponse",
		ami.Field{Name: "Family", Value: family}, ami.Field{Name: "Key", Value: key}, ami.Field{Name: "Val", Value: value})
	a.complete("DBGetComplete")
}

func doDBGetTree(p *PBX, _ *session, r request, a *reply) {
	a.list("Result will follow")
	for _, k := range p.rows(r.get("Family"), r.get("Key")) {
		a.lastID("DBGetTreeResponse", ami.Field{Name: "Key", Value: k}, ami.Field{Name: "Val", Value: p.database[k]})
	}
	a.complete("DBGetTreeComplete")
}

// hasFamilyAndKey answers an action without a family or key with an error.
func hasFamilyAndKey(r request, a *reply) bool {
	switch {
	case r.get("Family") == "":
		a.refuse("No family specified.")
	case r.get("Key") == "":
		a.refuse("No key specified.")
	default:
		return true
	}
	return false
}

func doDBPut(p *PBX, _ *session, r request, a *reply) {
	if hasFamilyAndKey(r, a) {
		p.database[dbKey(r.get("Family"), r.get("Key"))] = r.get("Val")
		a.success("Updated database successfully")
	}
}

func doDBDel(p *PBX, _ *session, r request, a *reply) {
	if !hasFamilyAndKey(r, a) {
		return
	}
	key := dbKey(r.get("Family"), r.get("Key"))
	if _, found := p.database[key]; !found {
		a.refuse("Database entry could not be deleted")
		return
	}
	delete(p.database, key)
	a.success("Key deleted successfully")
}

func doDBDelTree(p *PBX, _ *session, r request, a *reply) {
	if r.get("Family") == "" {
		a.refuse("No family specified.")
		return
	}
	if p.deleteRows(r.get("Family"), r.get("Key")) == 0 {
		a.refuse("Database entry not found")
		return
	}
	a.success("Key tree deleted successfully")
}

func (p *PBX) deleteRows(family, key string) int {
	keys := p.rows(family, key)
	for _, k := range keys {
		delete(p.database, k)
	}
	return len(keys)
}

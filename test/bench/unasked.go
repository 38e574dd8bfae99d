package main

import (
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/contain"
)

// They stand where an engine that only decides has its kernel and its PBX:
// none is ever asked.
type (
	noFirewall  struct{ bans.Firewall }
	noCalls     struct{ contain.Calls }
	noAccounts  struct{ contain.Accounts }
	noInventory struct{ responder.Inventory }
)

package main

import "github.com/tollwarden/tollwarden/responder"

// nobody stands where a responder that only decides has its kernel and its
// PBX: none is ever asked.
type nobody struct {
	responder.Firewall
	responder.PBX
}

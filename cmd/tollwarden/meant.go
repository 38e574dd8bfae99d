package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// meantExtension explains an order about an extension that failed: if there is none of that
// name, it names the one that was most likely meant.
func meantExtension(ctx context.Context, client *control.Client, name string, failed error) error {
	if errors.Is(failed, control.ErrNotRunning) {
		return failed
	}
	known, err := client.Accounts(ctx)
	if err != nil || slices.Contains(known, name) {
		return failed
	}
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("no extension %s; did you mean %s?", output.Plain(name), output.Plain(near))
	}
	return failed
}

// meantBlock adds to the refusal to release what is not blocked which blocked address was
// most likely meant.
func meantBlock(ctx context.Context, client *control.Client, target string, failed error) error {
	if errors.Is(failed, control.ErrNotRunning) {
		return failed
	}
	list, err := readBlocks(ctx, client)
	if err != nil {
		return failed
	}
	var targets []string
	for _, b := range list.bans {
		targets = append(targets, incident.PrefixText(b.Prefix))
	}
	for _, b := range list.partial {
		targets = append(targets, b.Target())
	}
	if near := nearest(target, targets); near != "" {
		return fmt.Errorf("%w; did you mean %s?", failed, near)
	}
	return failed
}

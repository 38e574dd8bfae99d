package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// nearExtensions are the extensions that were most likely meant by a name that none has.
func nearExtensions(ctx context.Context, client *control.Client, name string) []string {
	known, err := client.Accounts(ctx)
	if err != nil {
		return nil
	}
	return nearest(name, known)
}

// meantExtension explains an order about an extension that failed: if there is none of that
// name, it names those that were most likely meant.
func meantExtension(ctx context.Context, client *control.Client, name string, failed error) error {
	if errors.Is(failed, control.ErrNotRunning) {
		return failed
	}
	near := nearExtensions(ctx, client, name)
	switch {
	case len(near) == 0:
		return failed
	case strings.Contains(failed.Error(), "no such extension"), strings.Contains(failed.Error(), "there is no extension"):
		return fmt.Errorf("no extension %s; did you mean %s?", output.Plain(name), output.Plain(oneOf(near)))
	}
	return fmt.Errorf("%w; no extension %s is known: did you mean %s?", failed, output.Plain(name), output.Plain(oneOf(near)))
}

// hintExtension says on standard error if a name looks like a typo.
func hintExtension(cmd *cobra.Command, client *control.Client, name string) {
	if near := nearExtensions(cmd.Context(), client, name); len(near) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "tollwarden: no extension %s is known; did you mean %s?\n", output.Plain(name), output.Plain(oneOf(near)))
	}
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
	if near := nearest(target, targets); len(near) > 0 {
		return fmt.Errorf("%w; did you mean %s?", failed, oneOf(near))
	}
	return failed
}

package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// completeWithin bounds what a shell waits for after a tab.
const completeWithin = 2 * time.Second

// completer makes a completion of the first argument from what the daemon
// knows. Without a daemon there is nothing to complete.
func completer(socket *string, names func(context.Context, *control.Client) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(contextOf(cmd)), completeWithin)
		defer cancel()
		list, err := names(ctx, control.Dial(*socket))
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func completeBans(socket *string) cobra.CompletionFunc {
	return completer(socket, func(ctx context.Context, c *control.Client) (list []cobra.Completion, err error) {
		blocks, err := readBlocks(ctx, c)
		for _, b := range blocks.bans {
			list = append(list, cobra.CompletionWithDesc(incident.PrefixText(b.Prefix), output.Plain(b.Reason)))
		}
		for _, b := range blocks.partial {
			list = append(list, cobra.CompletionWithDesc(b.Target(), output.Plain(b.Words()+": "+b.Why())))
		}
		return list, err
	})
}

func completeAllowed(socket *string) cobra.CompletionFunc {
	return completer(socket, func(ctx context.Context, c *control.Client) (list []cobra.Completion, err error) {
		allowed, err := c.AllowList(ctx)
		for _, a := range allowed {
			if a.Origin == control.FromFile {
				list = append(list, cobra.CompletionWithDesc(a.What(), output.Plain(a.Reason)))
			}
		}
		return list, err
	})
}

// completeAccounts leaves out names that a shell could take for something else: an
// attacker may have made them up.
func completeAccounts(socket *string) cobra.CompletionFunc {
	return completer(socket, func(ctx context.Context, c *control.Client) (list []cobra.Completion, err error) {
		names, err := c.Accounts(ctx)
		for _, name := range names {
			if isShellWord(name) {
				list = append(list, name)
			}
		}
		return list, err
	})
}

func isShellWord(s string) bool {
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.', c == '+', c == '@':
		default:
			return false
		}
	}
	return s != "" && s[0] != '-'
}

func completeIncidents(socket *string) cobra.CompletionFunc {
	return completer(socket, func(ctx context.Context, c *control.Client) (list []cobra.Completion, err error) {
		incidents, err := c.Incidents(ctx, 20)
		for _, i := range incidents {
			list = append(list, cobra.CompletionWithDesc(fmtID(i.ID), output.Plain(i.Threshold+", "+i.Key.Value())))
		}
		return list, err
	})
}

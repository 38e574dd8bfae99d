// An idle daemon sleeps: the runtime need not look every second for how many
// processors there are.
//go:debug updatemaxprocs=0

// Command tollwarden protects an Asterisk PBX against password guessing and
// toll fraud. `tollwarden run` is the daemon, the other commands serve the
// person who operates it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
)

// Exit codes. `status` adds its own three.
const (
	exitFine       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitDegraded   = 4
	exitObserving  = 5
)

// exitCode is an error that asks for an exit code of its own.
type exitCode struct {
	code int
	err  error // nil if the message was printed already
}

func (e exitCode) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitCode) Unwrap() error { return e.err }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return exitCode{exitUsage, err}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns the exit code. Every error is one line
// on standard error.
func execute(ctx context.Context, args []string, out, stderr io.Writer) int {
	root := newRoot()
	root.SetOut(out)
	root.SetErr(stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	code := exitFailed
	var ec exitCode
	if errors.As(err, &ec) {
		code = ec.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, output.PlainLines("tollwarden: "+text)) // it may quote an account
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "tollwarden",
		Version:       version(),
		Short:         "Stops password guessers and toll fraud on an Asterisk PBX",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd.ValidateFlagGroups()) // cobra itself would call it a failure
		},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(noFlag)
	root.AddCommand(
		newStatus(), newIncidents(), newIncident(), newBans(), newAddresses(), newExtensions(), newOrders(), newSpending(),
		newFirstHour(), newHangup(), newRotate(), newSecret(), newLock(), newUnlock(), newCompromise(), newTrust(), newBan(), newUnban(), newAllow(), newEnforce(), newObserve(), newPause(), newResume(),
		newSetup(), newCheck(), newReplay(), newImport(), newRates(), newBackup(), newRestore(), newForget(), newDemo(),
		newRun(), newReload(), newDown(), newVersion(), newMan(), newHook(), oldName(newAddresses(), "sources"), oldName(newExtensions(), "accounts"),
	)
	group(root)
	return root
}

// args turns a wrong number of arguments into wrong usage, and says what is right.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err != nil && cmd.HasSubCommands() && len(args) > 0:
			return noCommand(cmd, args[0])
		case err != nil:
			cmd.DisableFlagsInUseLine = true
			err = fmt.Errorf("usage: %s (%s explains it)", cmd.UseLine(), helpOf(cmd))
		}
		return usage(err)
	}
}

// configFlag adds -c, the configuration file.
func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("config", "c", "/etc/tollwarden/tollwarden.toml", "the configuration `FILE`")
}

// socketFlag adds --socket, where the daemon answers.
func socketFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("socket", "/run/tollwarden.sock", "the `PATH` of the daemon's control socket")
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON")
}

// verboseFlag adds --verbose.
func verboseFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("verbose", "v", false, "also show what is for people who work on Tollwarden")
}

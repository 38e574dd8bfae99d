package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/demo"
)

// demoWithin bounds the demo.
const demoWithin = 30 * time.Second

// insideEnv marks the process that plays the demo in a network namespace.
const insideEnv = "TOLLWARDEN_DEMO_NAMESPACE"

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Replay an attack against the real daemon, and show how it ends", Args: args(cobra.NoArgs),
		Long: "Replay a recorded attack against the real daemon and a small PBX that speaks AMI.\n" +
			"As root, the kernel drops the packets, in a network namespace of its own; otherwise a\n" +
			"simulated firewall does. Exits with 1 if the attack was not stopped.",
		Example: "  tollwarden demo",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Geteuid() == 0 && os.Getenv(insideEnv) == "" {
				return demoInNamespace(cmd)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), demoWithin)
			defer cancel()
			return demo.Play(ctx, cmd.OutOrStdout(), os.Getenv(insideEnv) != "")
		},
	}
}

// demoInNamespace runs the demo in a process whose network is its own.
func demoInNamespace(cmd *cobra.Command) error {
	inside := exec.CommandContext(cmd.Context(), "/proc/self/exe", "demo")
	inside.Env = append(os.Environ(), insideEnv+"=1")
	inside.Stdout, inside.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
	inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode{code: exitFailed} // it has printed why
	}
	return err
}

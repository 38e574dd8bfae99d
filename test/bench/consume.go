package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/pprof"
	"sync/atomic"
	"time"

	goami "github.com/heltonmarx/goami/ami"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// consumeCommand makes this program the reader of an event stream, a process
// of its own so that it can be held to one core.
const consumeCommand = "consume"

// profileVariable names a file for a CPU profile of the last reader.
const profileVariable = "TOLLWARDEN_BENCH_PROFILE"

// consumed is what a reader tells at the end of the stream.
type consumed struct {
	Events uint64
	Took   time.Duration // from the first byte to the last
	CPU    time.Duration // of the whole process meanwhile
}

// consume reads the stream at an address with one of the readers.
func consume(args []string) {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: consume READER ADDRESS")
		os.Exit(2)
	}
	read, known := readers[args[0]]
	if !known {
		fmt.Fprintln(os.Stderr, "no reader", args[0])
		os.Exit(2)
	}
	if name := os.Getenv(profileVariable); name != "" {
		file, err := os.Create(name)
		if err == nil {
			err = pprof.StartCPUProfile(file)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	start, cpu := time.Now(), ownCPU()
	events, err := read(args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(consumed{events, time.Since(start), ownCPU() - cpu})
}

var readers = map[string]func(address string) (uint64, error){
	"tollwarden": readAsTheDaemon,
	"goami":      readAsGoami,
	"echo":       echo,
}

// untold is a connection that does not tell how much of it is unread: with a
// writer that never rests, half of the events would be skipped.
type untold struct{ net.Conn }

// readAsTheDaemon is the daemon's whole way from the socket to the score.
func readAsTheDaemon(address string) (uint64, error) {
	r, err := newResponder()
	if err != nil {
		return 0, err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	c, err := ami.NewClient(context.Background(), untold{conn}, r.Handle)
	if err != nil {
		return 0, err
	}
	<-c.Done()
	return r.Counters().Events, nil
}

// readAsGoami is goami's own reader: its Socket, and Events for each event.
func readAsGoami(address string) (uint64, error) {
	var events atomic.Uint64
	ctx := context.Background()
	socket, err := goami.NewSocket(ctx, address)
	if err != nil {
		return 0, err
	}
	if _, err := socket.Recv(ctx); err != nil { // the greeting
		return 0, err
	}
	for {
		if _, err := goami.Events(ctx, socket); err != nil {
			return events.Load(), nil // the end of the stream
		}
		events.Add(1)
	}
}

// echo sends back what it gets.
func echo(address string) (uint64, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	n, _ := io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}) // until the other end closes
	return uint64(n), nil
}

// newResponder is one with the daemon's rules, with nothing at its ends.
func newResponder() (*responder.Engine, error) {
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		return nil, err
	}
	failures := map[score.Signal]int{score.InvalidPassword: 1, score.ChallengeResponseFailed: 1}
	return responder.New(context.Background(), time.Now(), judge.Policy{
		Observe: true,
		Thresholds: []score.Threshold{
			{Name: "password guessing", Per: score.PerSource, Points: failures, Score: 3, Within: time.Hour, Playbook: "block"},
			{Name: "slow guessing", Per: score.PerSource, Points: failures, Score: 10, Within: 24 * time.Hour, Playbook: "block"},
			{Name: "scanning", Per: score.PerSource, Points: map[score.Signal]int{score.InvalidAccountID: 1, score.FailedACL: 1}, Score: 5, Within: time.Hour, Playbook: "block"},
			{Name: "break-in", Per: score.PerAccount, Points: map[score.Signal]int{score.SuccessAfterFailures: 1}, Score: 1, Within: time.Hour, Playbook: "block"},
		},
		Playbooks: map[string][]incident.StepKind{"block": {incident.StepBan}},
		Ladder:    decide.Ladder{Times: []time.Duration{time.Hour}, Forget: 24 * time.Hour},
		Username:  amiUser,
	}, responder.Parts{Firewall: noFirewall{}, Calls: noCalls{}, Accounts: noAccounts{}, Inventory: noInventory{}, Ledger: l, Log: zerolog.New(io.Discard)})
}

func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

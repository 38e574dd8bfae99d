package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// bench is one run: what it was asked for and what it has found.
type bench struct {
	ctx    context.Context
	quick  bool   // fewer repetitions and smaller sizes
	dir    string // scratch, removed at the end
	binary string // the daemon
	table  table
}

// measure is one thing that can be measured by itself.
type measure struct {
	name string
	run  func(*bench) error
}

var own = []measure{
	{"guesses", (*bench).guesses},
	{"latency", (*bench).latency},
	{"throughput", (*bench).throughput},
	{"containment", (*bench).containment},
	{"small", (*bench).small},
	{"mass", (*bench).mass},
	{"scale", (*bench).scale},
	{"packets", (*bench).packets},
}

var beside = []measure{{"peers", (*bench).peers}}

func main() {
	if len(os.Args) > 1 && os.Args[1] == consumeCommand {
		consume(os.Args[2:])
		return
	}
	quick := flag.Bool("quick", false, "fewer repetitions and smaller sizes")
	only := flag.String("only", "", "measure only what this regular `expression` names")
	peers := flag.Bool("peers", false, "measure fail2ban and CrowdSec beside Tollwarden")
	check := flag.Bool("check", false, "compare the code's own costs with baseline.json")
	update := flag.Bool("update", false, "write baseline.json anew")
	out := flag.String("out", "bin", "the `FOLDER` for the table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *quick, *only, *peers, *check, *update, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, quick bool, only string, peers, check, update bool, out string) error {
	if check || update {
		return checkCosts(update)
	}
	if os.Geteuid() != 0 {
		return errors.New("not root: network namespaces and the kernel's firewall need it")
	}
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	b := &bench{ctx: ctx, quick: quick}
	if b.dir, err = os.MkdirTemp("", "tollwarden-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(); err != nil {
		return err
	}
	list, title := own, "bench"
	if peers {
		list, title = beside, "bench-peers"
	}
	var failed []error
	for _, m := range list {
		if !wanted.MatchString(m.name) || ctx.Err() != nil {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "%s …", m.name)
		if err := m.run(b); err != nil {
			err = fmt.Errorf("%s: %w", m.name, err)
			failed = append(failed, err)
			fmt.Fprintf(os.Stderr, " %v", err)
		}
		fmt.Fprintf(os.Stderr, " %s\n", time.Since(start).Round(time.Second))
	}
	if err := b.publish(title, out); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// publish prints the table and writes it to a file, and every value to another.
func (b *bench) publish(title, folder string) error {
	var text strings.Builder
	now := time.Now().UTC()
	fmt.Fprintf(&text, "Tollwarden, make %s, %s\n%s\n\n%s", title, now.Format("2006-01-02 15:04 MST"), machine(), b.table.String())
	fmt.Print(text.String())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file := filepath.Join(folder, title+"-"+now.Format("2006-01-02-1504"))
	if err := os.WriteFile(file+".txt", []byte(text.String()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(file+".bench", []byte(b.table.benchmarks()), 0o644); err != nil {
		return err
	}
	fmt.Printf("written to %s.txt, and to %s.bench for benchstat\n", file, file)
	return nil
}

// few is n, or less in a quick run.
func (b *bench) few(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/blocklist"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/archive"
)

// listing is a command that imports the bans of a list.
type listing struct {
	use, short, long, example string

	from     string // the other program
	lasts    string // how long bans last that have no time of their own
	fallback []string
	exempt   string // the file with what the other program never bans
	// ask is the command that prints a set or chain of this name; nil if there is none.
	ask func(name string) []string
}

func newImportSipban() *cobra.Command {
	l := listing{
		use: "sipban [FILE...]", short: "Import the bans of sipban's dump", example: "  tollwarden import sipban --dry-run",
		long: "Import the bans of a file that sipban has saved (default /etc/sipban.dump), of any version,\n" +
			"and the addresses of its white list.",
		from: "sipban", lasts: "7d", fallback: []string{"/etc/sipban.dump"}, exempt: "/etc/sipban.wl",
	}
	return l.command()
}

func newImportAPIBAN() *cobra.Command {
	l := listing{
		use: "apiban [FILE...]", short: "Import the bans of APIBAN's client", example: "  tollwarden import apiban --dry-run\n  tollwarden import apiban --set APIBAN rules.txt",
		long: "Import the bans of APIBAN's client. Its own files hold only the number of the last update, so the\n" +
			"bans are those of its chain in the kernel (iptables -S APIBAN, nft list chain ip filter APIBAN), or\n" +
			"those of files: what these commands print, or its log.",
		from: "APIBAN", lasts: "7d",
	}
	return l.command()
}

func newImportIPSet() *cobra.Command {
	l := listing{
		use: "ipset NAME|FILE...", short: "Import the entries of sets of ipset", example: "  tollwarden import ipset blacklist --for 7d --dry-run\n  tollwarden import ipset /etc/ipset.conf --set blacklist",
		long: "Import the entries of sets of ipset as bans: of a set by its name, or of files that ipset save or\n" +
			"ipset list has written, of which --set chooses one set.",
		from: "ipset", lasts: "forever", ask: func(name string) []string { return []string{"ipset", "save", name} },
	}
	return l.command()
}

func newImportNFT() *cobra.Command {
	l := listing{
		use: "nft 'FAMILY TABLE SET'|FILE...", short: "Import the elements of sets of nftables", example: "  tollwarden import nft 'inet filter blackhole' --dry-run\n  tollwarden import nft ruleset.txt --set blackhole",
		long: "Import the elements of sets of nftables as bans: of a set by its family, table and name, or of files\n" +
			"with what nft list has printed, also as JSON, of which --set chooses one set.",
		from: "nftables", lasts: "forever", ask: func(name string) []string {
			if words := strings.Fields(name); len(words) == 3 {
				return append([]string{"nft", "--json", "list", "set"}, words...)
			}
			return nil
		},
	}
	return l.command()
}

func (l listing) command() *cobra.Command {
	cmd := &cobra.Command{Use: l.use, Short: l.short, Long: l.long + "\n\n" + importNote, Example: l.example}
	socket, asJSON, file := socketFlag(cmd), jsonFlag(cmd), configFlag(cmd)
	lasts := cmd.Flags().String("for", l.lasts, "how long bans last that have no time of their own: a `DURATION`, or forever")
	set := cmd.Flags().String("set", "", "only the set or chain of this `NAME`")
	dry := cmd.Flags().Bool("dry-run", false, "print what would be imported, and change nothing")
	if l.exempt != "" {
		cmd.Flags().StringVar(&l.exempt, "allow", l.exempt, "the `FILE` with the addresses that are never banned, if it exists")
	}
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		s := blocklist.Source{Set: *set}
		var err error
		if *lasts != "forever" {
			if s.For, err = config.ParseBanTime(*lasts); err != nil {
				return usage(fmt.Errorf("--for %q: %w", *lasts, err))
			}
		}
		if len(names) == 0 {
			names = l.fallback
		}
		own, err := takeover.Own()
		if err != nil {
			return err
		}
		now := time.Now()
		im := takeover.New(l.from, "imported from "+l.from, now, own)
		if l.exempt != "" {
			if err := readExempt(im, l.exempt, cmd.Flags().Changed("allow")); err != nil {
				return err
			}
		}
		switch {
		case len(names) > 0:
			err = l.read(cmd.Context(), im, names, now, s)
		case l.from == "APIBAN":
			err = readAPIBAN(cmd.Context(), im, now, s)
		default:
			err = usage(errors.New("name a set or a file"))
		}
		if err != nil {
			return err
		}
		return finish(cmd, im, *dry, *asJSON, *socket, *file)
	}
	return cmd
}

// read reads files, or sets by their names.
func (l listing) read(ctx context.Context, im *takeover.Import, names []string, now time.Time, s blocklist.Source) error {
	for _, name := range names {
		in, err := archive.Open(name, archive.Options{})
		if err == nil {
			err = errors.Join(readList(im, in, name, now, s), in.Close())
		} else if errors.Is(err, os.ErrNotExist) && l.ask != nil && !strings.Contains(name, "/") {
			ask := l.ask(name)
			if ask == nil {
				return usage(fmt.Errorf("%q is neither a file nor a set: want FAMILY, TABLE and SET, such as 'inet filter blackhole'", name))
			}
			var text []byte
			if text, err = run(ctx, ask); err == nil {
				err = blocklist.Read(im, bytes.NewReader(text), strings.Join(ask, " "), now, s)
			}
		}
		if err != nil {
			return fmt.Errorf("import from %s: %w", l.from, err)
		}
	}
	return nil
}

// readList reads a file. What APIBAN's client keeps of itself has no bans in it.
func readList(im *takeover.Import, in io.Reader, name string, now time.Time, s blocklist.Source) error {
	text, err := io.ReadAll(io.LimitReader(in, maxList))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if bytes.Contains(text, []byte("LKID")) && bytes.Contains(text, []byte("APIKEY")) {
		return fmt.Errorf("%s: this file of APIBAN's client holds no bans, only the number of its last update: give its log, or what iptables -S APIBAN prints", name)
	}
	return blocklist.Read(im, bytes.NewReader(text), name, now, s)
}

// maxList bounds what is read of a list.
const maxList = 256 << 20

// readAPIBAN reads APIBAN's chain in the kernel.
func readAPIBAN(ctx context.Context, im *takeover.Import, now time.Time, s blocklist.Source) error {
	s.Set = "APIBAN"
	var failed []error
	found := false
	for _, ask := range [][]string{{"iptables", "-S", "APIBAN"}, {"ip6tables", "-S", "APIBAN"}, {"nft", "list", "chain", "ip", "filter", "APIBAN"}} {
		text, err := run(ctx, ask)
		if err == nil {
			err = blocklist.Read(im, bytes.NewReader(text), strings.Join(ask, " "), now, s)
		}
		if err == nil && len(im.Bans) > 0 {
			return nil
		}
		found = found || err == nil
		failed = append(failed, err)
	}
	if found {
		return nil
	}
	return fmt.Errorf("import from APIBAN: no chain APIBAN was found in the kernel: give its log, such as /var/log/apiban-client.log: %w", errors.Join(failed...))
}

// run runs a command that lists something, for 30 seconds at most.
func run(ctx context.Context, command []string) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	var out, failure bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(failure.String()); said != "" {
			first, _, _ := strings.Cut(said, "\n")
			return nil, fmt.Errorf("%s: %s", strings.Join(command, " "), first)
		}
		return nil, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	return out.Bytes(), nil
}

// readExempt allows the addresses in a file, one a line.
func readExempt(im *takeover.Import, path string, asked bool) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !asked {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		for word := range strings.FieldsSeq(line) {
			item, err := config.ParseAllow(word)
			if err != nil {
				im.Skip(word, "in "+path+", but neither an address nor a host name")
				continue
			}
			im.Allow(item, false)
		}
	}
	return nil
}

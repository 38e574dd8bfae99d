package settings

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/archive"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/cdr/database"
	"github.com/tollwarden/tollwarden/responder/history"
)

// HistoryFiles are where Asterisk writes call records by default.
var HistoryFiles = []string{"/var/log/asterisk/cdr-csv/Master.csv", "/var/log/asterisk/cdr-custom/Master.csv"}

// freePBXFiles say that this is FreePBX, or Issabel.
var freePBXFiles = []string{"/etc/freepbx.conf", "/etc/amportal.conf"}

// maxHistory is how much of the end of a file is read.
const maxHistory = 1 << 30

// HistorySources are where records of past calls may be, the best first: config.HistoryDatabase
// or files. There is none if they are off, or nothing was found.
func HistorySources(cfg *config.Config) (list []string) {
	h := &cfg.Calls.History
	switch h.From {
	case config.HistoryOff:
		return nil
	case config.HistoryAuto:
	default:
		return []string{h.From}
	}
	if anyExists(freePBXFiles) && (cfg.Database.Socket != "" || database.Socket() != "") {
		list = append(list, config.HistoryDatabase)
	}
	for _, f := range HistoryFiles {
		if anyExists([]string{f}) {
			list = append(list, f)
		}
	}
	return list
}

func anyExists(files []string) bool {
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// LearnHistory learns from the records in sources, together. zone is that of their times,
// dates the order of day and month in them, where it matters.
func LearnHistory(ctx context.Context, now time.Time, cfg *config.Config, zone *time.Location, dates cdr.Order, sources ...string) (history.Learned, error) {
	rules, err := HistoryRules(cfg)
	if err != nil {
		return history.Learned{}, err
	}
	l := history.New(now, rules)
	for _, source := range sources {
		in, closer, err := openHistory(ctx, now, cfg, zone, dates, source)
		if err != nil {
			return history.Learned{}, err
		}
		err = l.Read(in, ctx.Err)
		if err = errors.Join(err, closer()); err != nil {
			return history.Learned{}, fmt.Errorf("call records of %s: %w", source, err)
		}
	}
	return l.Learned(), nil
}

// headSize is how much of a file shows whether its dates need an order.
const headSize = 4096

// openHistory opens the records of one source.
func openHistory(ctx context.Context, now time.Time, cfg *config.Config, zone *time.Location, dates cdr.Order, source string) (cdr.Reader, func() error, error) {
	if source == config.HistoryDatabase {
		in, err := OpenCalls(ctx, cfg, now.Add(-history.MaxAge), zone)
		if err != nil {
			return nil, nil, err
		}
		return in, in.Close, nil
	}
	file, err := archive.Open(source, archive.Options{Tail: maxHistory})
	if err != nil {
		return nil, nil, fmt.Errorf("call records: %w", err)
	}
	in := bufio.NewReaderSize(file, headSize)
	if head, _ := in.Peek(headSize); dates == cdr.Unclear && file.Regular && cdr.NeedsOrder(head, zone) {
		if dates, err = orderIn(source, zone, file.Modified); err != nil {
			_ = file.Close()
			return nil, nil, fmt.Errorf("call records: %s: %w", source, err)
		}
	}
	return cdr.NewCSV(in, zone, now, dates), file.Close, nil
}

// orderIn is the order of day and month that a file shows.
func orderIn(path string, zone *time.Location, latest time.Time) (cdr.Order, error) {
	in, err := archive.Open(path, archive.Options{})
	if err != nil {
		return cdr.Unclear, err
	}
	defer in.Close()
	return cdr.FindOrder(in, zone, latest)
}

// OpenCalls asks the database for the calls since a time.
func OpenCalls(ctx context.Context, cfg *config.Config, since time.Time, zone *time.Location) (*database.Calls, error) {
	return database.Open(ctx, database.Options{Socket: cfg.Database.Socket, Name: cfg.Calls.History.Database}, since, history.MaxRecords, zone)
}

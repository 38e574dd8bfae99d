package settings

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tollwarden/tollwarden/config"
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

// LearnHistory learns from the records in sources, together. zone is that of their times.
func LearnHistory(ctx context.Context, now time.Time, cfg *config.Config, zone *time.Location, sources ...string) (history.Learned, error) {
	rules, err := HistoryRules(cfg)
	if err != nil {
		return history.Learned{}, err
	}
	l := history.New(now, rules)
	for _, source := range sources {
		in, closer, err := openHistory(ctx, now, cfg, zone, source)
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

// openHistory opens the records of one source.
func openHistory(ctx context.Context, now time.Time, cfg *config.Config, zone *time.Location, source string) (cdr.Reader, func() error, error) {
	if source == config.HistoryDatabase {
		in, err := OpenCalls(ctx, cfg, now.Add(-history.MaxAge), zone)
		if err != nil {
			return nil, nil, err
		}
		return in, in.Close, nil
	}
	file, err := os.Open(source)
	if err != nil {
		return nil, nil, fmt.Errorf("call records: %w", err)
	}
	in, err := contents(file)
	if err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("call records: %s: %w", source, err)
	}
	return cdr.NewCSV(in, zone, now), file.Close, nil
}

// OpenCalls asks the database for the calls since a time.
func OpenCalls(ctx context.Context, cfg *config.Config, since time.Time, zone *time.Location) (*database.Calls, error) {
	return database.Open(ctx, database.Options{Socket: cfg.Database.Socket, Name: cfg.Calls.History.Database}, since, history.MaxRecords, zone)
}

// contents are those of a file, which may be compressed, or its end if it is large.
func contents(file *os.File) (io.Reader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("a folder: give the files in it")
	}
	in := bufio.NewReader(file)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return gzip.NewReader(in)
	}
	if info.Size() <= maxHistory {
		return in, nil
	}
	if _, err := file.Seek(info.Size()-maxHistory, io.SeekStart); err != nil {
		return nil, err
	}
	in.Reset(file)
	for {
		if _, err := in.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return in, err // behind a line that is not whole
		}
	}
}

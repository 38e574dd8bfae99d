package logfile

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxMissed is how many bytes of the missed part are read; older ones are skipped.
// Reading them takes a few seconds.
const maxMissed = 64 << 20

// Place is a position in a log. It survives restarts and log rotation: a rotated log is
// recognised by its inode. The text before Offset detects a reused inode and a file that
// was truncated and rewritten.
type Place struct {
	Path          string
	Device, Inode uint64
	Offset        int64
	Before        uint32 // the CRC-32 of the last bytes before Offset
}

// checksum returns Place.Before for an offset in a file.
func checksum(file *os.File, offset int64) uint32 {
	const most = 256
	text := make([]byte, min(offset, most))
	n, _ := file.ReadAt(text, offset-int64(len(text)))
	return crc32.ChecksumIEEE(text[:n])
}

// Place returns how far the log was read and its findings emitted, or nil before the
// first poll. It may be called from any goroutine.
func (f *Follower) Place() *Place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.place
}

// advance records how far all findings were emitted. A finding is held until the next
// line, a broken entry until its end.
func (f *Follower) advance() {
	switch {
	case f.parser.torn.room > 0:
	case f.parser.held:
		f.emitted = f.line
	default:
		f.emitted = f.parsed
	}
}

// savePlace updates place. The caller holds the lock.
func (f *Follower) savePlace() {
	p := f.here
	p.Offset = f.emitted
	if f.place != nil {
		p.Before = f.place.Before
	}
	if f.file != nil && (f.place == nil || *f.place != p) {
		p.Before = checksum(f.file, p.Offset)
		f.place = &p
	}
}

func identity(info os.FileInfo) (device, inode uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev), stat.Ino
	}
	return 0, 0
}

// resume opens the file that the earlier process read last, under its current name. If
// that is gone, all of the current file was missed. Without an earlier process, so was what
// was written since Since.
func (f *Follower) resume() {
	from := f.From
	if from != nil && from.Path != f.Path {
		from = nil
	}
	if from == nil && f.Since.IsZero() {
		return
	}
	f.behind = true
	f.findShift()
	files := f.files()
	if from == nil {
		f.older = missedSince(files, f.Since)
		return
	}
	for n, is := range files {
		if device, inode := identity(is.info); device != from.Device || inode != from.Inode {
			continue
		}
		file, err := os.Open(is.path)
		if err != nil {
			continue
		}
		if checksum(file, from.Offset) == from.Before {
			f.begin(file, is.info, from.Offset)
			f.survey(is.info)
			for _, later := range files[n+1:] {
				if later.path != f.Path {
					f.older = append(f.older, later.path)
				}
			}
			return
		}
		_ = file.Close()
	}
}

// logFile is one of the files of a log.
type logFile struct {
	path string
	info os.FileInfo
}

// files are the rotated files of the log and the one at Path, by when they were last
// written. logrotate and Asterisk append a suffix to the name. Compressed ones cannot be
// read.
func (f *Follower) files() (list []logFile) {
	directory, base := filepath.Split(f.Path)
	names, _ := os.ReadDir(filepath.Clean(directory)) // errors show up when the log is opened
	for _, n := range names {
		suffix, ours := strings.CutPrefix(n.Name(), base)
		if !ours || suffix != "" && suffix[0] != '.' && suffix[0] != '-' || strings.HasSuffix(suffix, "z") || strings.HasSuffix(suffix, ".bz2") {
			continue
		}
		path := filepath.Join(directory, n.Name())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			list = append(list, logFile{path, info})
		}
	}
	slices.SortStableFunc(list, func(x, y logFile) int { return x.info.ModTime().Compare(y.info.ModTime()) })
	if at := slices.IndexFunc(list, func(is logFile) bool { return is.path == f.Path }); at >= 0 {
		list = append(slices.Delete(slices.Clone(list), at, at+1), list[at])
	}
	return list
}

// missedSince are the rotated files that were written since a time, as far as they are not
// more than maxMissed bytes together with the current one, which is the last.
func missedSince(files []logFile, since time.Time) (older []string) {
	if len(files) == 0 {
		return nil
	}
	size := files[len(files)-1].info.Size()
	for _, is := range slices.Backward(files[:len(files)-1]) {
		if size += is.info.Size(); is.info.ModTime().Before(since) || size > maxMissed {
			break
		}
		older = append([]string{is.path}, older...)
	}
	return older
}

// begin starts reading at an offset of a file, but skips all but the last maxMissed bytes
// of the missed part. If that starts inside an entry, one forged line may be accepted;
// one line alone does not cross a threshold.
func (f *Follower) begin(file *os.File, info os.FileInfo, offset int64) {
	f.missed, f.skip = 0, false
	if f.behind {
		f.missed = info.Size()
		if bound := f.missed - maxMissed; offset < bound {
			offset, f.skip = bound, true
		}
	}
	f.parser.console, f.parser.doubted = console{}, Own // it may be written in another way
	f.here = Place{Path: f.Path}
	f.here.Device, f.here.Inode = identity(info)
	f.file, f.offset, f.parsed, f.line, f.emitted = file, offset, offset, offset, offset
}

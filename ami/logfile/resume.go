package logfile

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
// that is gone, all of the current file was missed.
func (f *Follower) resume() {
	if f.From == nil || f.From.Path != f.Path {
		return
	}
	f.behind = true
	directory, base := filepath.Split(f.Path)
	names, _ := os.ReadDir(filepath.Clean(directory)) // errors show up when the log is opened
	paths := []string{f.Path}
	for _, n := range names { // logrotate and Asterisk append a suffix to the name
		if strings.HasPrefix(n.Name(), base) && n.Type().IsRegular() {
			paths = append(paths, filepath.Join(directory, n.Name()))
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if device, inode := identity(info); device != f.From.Device || inode != f.From.Inode {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		if checksum(file, f.From.Offset) == f.From.Before {
			f.begin(file, info, f.From.Offset)
			return
		}
		_ = file.Close()
	}
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
	f.here = Place{Path: f.Path}
	f.here.Device, f.here.Inode = identity(info)
	f.file, f.offset, f.parsed, f.line, f.emitted = file, offset, offset, offset, offset
}

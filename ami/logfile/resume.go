package logfile

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxMissed bounds, in bytes, what is read of the time when nobody read: the
// end of it. It takes some seconds.
const maxMissed = 64 << 20

// Place is how far a log was read. It outlives the process, and the file's name:
// a log that was rotated is known by its inode, and another one that got the
// inode, or what was truncated and written anew, by what stands before Offset.
type Place struct {
	Path          string
	Device, Inode uint64
	Offset        int64
	Before        uint32 // the CRC-32 of the last bytes before Offset
}

// before is Place.Before of an offset in a file.
func before(file *os.File, offset int64) uint32 {
	const most = 256
	text := make([]byte, min(offset, most))
	n, _ := file.ReadAt(text, offset-int64(len(text)))
	return crc32.ChecksumIEEE(text[:n])
}

// Place is how far the log was read, and told; nil before the first look. It may
// be called from any goroutine.
func (f *Follower) Place() *Place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.place
}

// keep notes how far all that was found is told. A finding waits for the line
// behind it, and a broken entry for its end.
func (f *Follower) keep() {
	switch {
	case f.parser.torn.room > 0:
	case f.parser.held:
		f.kept = f.line
	default:
		f.kept = f.parsed
	}
}

// remember makes this the place. The caller holds the lock.
func (f *Follower) remember() {
	p := f.here
	p.Offset = f.kept
	if f.place != nil {
		p.Before = f.place.Before
	}
	if f.file != nil && (f.place == nil || *f.place != p) {
		p.Before = before(f.file, p.Offset)
		f.place = &p
	}
}

func identity(info os.FileInfo) (device, inode uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev), stat.Ino
	}
	return 0, 0
}

// resume opens the file that another life read last, under whatever name it has
// now. When it is gone, all of the present one was missed.
func (f *Follower) resume() {
	if f.From == nil || f.From.Path != f.Path {
		return
	}
	f.behind = true
	directory, base := filepath.Split(f.Path)
	names, _ := os.ReadDir(filepath.Clean(directory)) // a look at the log says what is wrong
	paths := []string{f.Path}
	for _, n := range names { // logrotate, and Asterisk itself, put something behind the name
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
		if before(file, f.From.Offset) == f.From.Before {
			f.begin(file, info, f.From.Offset)
			return
		}
		_ = file.Close()
	}
}

// begin reads on at an offset of a file; of what was missed the end at most. A
// cut within an entry may have one forged line believed, which alone crosses no
// threshold.
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
	f.file, f.offset, f.parsed, f.line, f.kept = file, offset, offset, offset, offset
}

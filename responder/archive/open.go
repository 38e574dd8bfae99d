package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// File is an open file, read as if it were not compressed.
type File struct {
	io.Reader
	Modified   time.Time
	Size       int64 // on disk
	Regular    bool  // not a pipe: it can be opened again
	Compressed bool

	raw   *os.File
	ahead *ahead
}

// Options say how a file is opened.
type Options struct {
	// Read, if set, is called with the number of bytes of each read from disk, in the
	// order of the reads, by whoever reads the File.
	Read func(n int)
	// Tail, if set, is how many bytes at the end of a file that is not compressed are
	// read: from the first whole line on.
	Tail int64
}

// Open opens a file. Its errors name it.
func Open(path string, o Options) (*File, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := open(raw, o)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// blockSize is how much is read from disk, or decompressed, at once.
const blockSize = 256 << 10

func open(raw *os.File, o Options) (*File, error) {
	info, err := raw.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("a folder: give the files in it")
	}
	f := &File{Modified: info.ModTime(), Size: info.Size(), Regular: info.Mode().IsRegular(), raw: raw}
	counted := &counter{r: raw}
	in := bufio.NewReaderSize(counted, blockSize)
	unpacked, err := unpack(in)
	switch {
	case err != nil:
		return nil, err
	case unpacked != nil:
		f.Compressed = true
		f.ahead = newAhead(unpacked, counted)
		f.Reader = &reporter{f.ahead, f.ahead.consumed, o.Read}
		return f, nil
	}
	if o.Tail > 0 && f.Size > o.Tail {
		if err := tail(raw, in, f.Size-o.Tail); err != nil {
			return nil, err
		}
	}
	f.Reader = &reporter{in, counted.take, o.Read}
	return f, nil
}

// tail moves behind the first line that ends after an offset.
func tail(raw *os.File, in *bufio.Reader, offset int64) error {
	if _, err := raw.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	in.Reset(raw)
	for {
		if _, err := in.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// Close stops reading ahead, and closes the file.
func (f *File) Close() error {
	err := f.raw.Close()
	if f.ahead != nil {
		f.ahead.stop()
	}
	return err
}

// maxWindow bounds the memory that a file compressed by zstd can demand.
const maxWindow = 128 << 20

// unpack decompresses a stream; nil if it is not compressed.
func unpack(in *bufio.Reader) (io.Reader, error) {
	magic, _ := in.Peek(6)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(in) // more if the file says so
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bzip2.NewReader(in), nil
	}
	return nil, nil
}

// counter counts the bytes of each read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// take returns what was read since the last time.
func (c *counter) take() int {
	n := c.n
	c.n = 0
	return n
}

// reporter reports how much was read from disk.
type reporter struct {
	io.Reader
	taken func() int
	read  func(n int)
}

func (r *reporter) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if taken := r.taken(); taken > 0 && r.read != nil {
		r.read(taken)
	}
	return n, err
}

package archive

import "io"

// blocks is how many blocks are decompressed ahead of the reader.
const blocks = 4

// ahead decompresses a file in a goroutine of its own, a few blocks ahead of its reader.
type ahead struct {
	full    chan block
	free    chan []byte
	quit    chan struct{}
	current block
	rest    []byte
	n       int // bytes from disk that have not been reported
	err     error
}

type block struct {
	data []byte
	disk int // bytes read from disk meanwhile
	err  error
}

func newAhead(in io.Reader, disk *counter) *ahead {
	a := &ahead{full: make(chan block, blocks), free: make(chan []byte, blocks), quit: make(chan struct{})}
	for range blocks {
		a.free <- make([]byte, blockSize)
	}
	go a.run(in, disk)
	return a
}

// run reads until the end, an error or stop.
func (a *ahead) run(in io.Reader, disk *counter) {
	defer close(a.full)
	if c, ok := in.(io.Closer); ok {
		defer func() { _ = c.Close() }() // zstd's goroutines
	}
	for {
		var b block
		select {
		case b.data = <-a.free:
		case <-a.quit:
			return
		}
		b.data = b.data[:cap(b.data)]
		n := 0
		for n < len(b.data) && b.err == nil {
			var m int
			m, b.err = in.Read(b.data[n:])
			n += m
		}
		b.data, b.disk = b.data[:n], disk.take()
		select {
		case a.full <- b:
		case <-a.quit:
			return
		}
		if b.err != nil {
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.current.data != nil {
			a.free <- a.current.data
			a.current.data = nil
		}
		b, ok := <-a.full
		if !ok {
			a.err = io.EOF
			continue
		}
		a.current, a.rest, a.err = b, b.data, b.err
		a.n += b.disk
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// consumed returns what was read from disk for what has been read since the last time.
func (a *ahead) consumed() int {
	n := a.n
	a.n = 0
	return n
}

// stop ends the goroutine, and waits for it.
func (a *ahead) stop() {
	close(a.quit)
	for range a.full {
	}
}

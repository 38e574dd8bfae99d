package archive

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

// The first bytes of each format, with a short text.
var beginnings = [][]byte{
	{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0xab, 0, 0, 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0},
	{0xfd, '7', 'z', 'X', 'Z', 0, 0, 4, 0xe6, 0xd6, 0xb4, 0x46, 2, 0, 0x21, 1, 0x16, 0, 0, 0},
	{0x28, 0xb5, 0x2f, 0xfd, 4, 0, 9, 0, 0, 'x'},
	[]byte("BZh91AY&SY"),
	[]byte("[2026-11-22 12:00:00] NOTICE[1] manager.c: x\n"),
}

// No damage makes a reader panic or hang.
func FuzzUnpack(f *testing.F) {
	for _, data := range beginnings {
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		in, err := unpack(bufio.NewReader(bytes.NewReader(data)))
		if err != nil || in == nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(in, 1<<20))
		if c, ok := in.(io.Closer); ok {
			_ = c.Close()
		}
	})
}

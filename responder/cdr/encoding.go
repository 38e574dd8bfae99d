package cdr

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// utf8Reader reads a file as UTF-8, also one in UTF-16, as spreadsheets and PowerShell
// write it.
func utf8Reader(in io.Reader) *bufio.Reader {
	b := bufio.NewReaderSize(in, maxLine)
	head, _ := b.Peek(4)
	order, found := unicode.LittleEndian, true
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		order = unicode.BigEndian
	case len(head) == 4 && head[1] == 0 && head[3] == 0:
	case len(head) == 4 && head[0] == 0 && head[2] == 0:
		order = unicode.BigEndian
	default:
		found = false
	}
	if !found {
		return b
	}
	return bufio.NewReaderSize(transform.NewReader(b, unicode.UTF16(order, unicode.UseBOM).NewDecoder()), maxLine)
}

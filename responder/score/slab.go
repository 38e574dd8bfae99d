package score

import "unsafe"

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
	chunkMask = chunkSize - 1
)

// slab hands out numbered elements that never move. It grows by chunks, so
// that an idle table is small and growth copies nothing; elements without
// pointers are never looked at by the garbage collector. Number 0 is none.
type slab[T any] struct {
	chunks []*[chunkSize]T
	last   uint32 // the highest number handed out
}

// at is element i, which must have been handed out.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>chunkBits][i&chunkMask] }

// grow hands out a number that was never used before.
func (s *slab[T]) grow() uint32 {
	s.last++
	if int(s.last>>chunkBits) >= len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkSize]T))
	}
	return s.last
}

// bytes is the memory held.
func (s *slab[T]) bytes() int {
	return len(s.chunks) * int(unsafe.Sizeof([chunkSize]T{}))
}

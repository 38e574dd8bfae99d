package score

import "unsafe"

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
	chunkMask = chunkSize - 1
)

// slab allocates numbered elements that never move. It grows by chunks, so an idle
// table is small and growth copies nothing. The garbage collector does not scan elements
// without pointers. Number 0 is not used.
type slab[T any] struct {
	chunks []*[chunkSize]T
	last   uint32 // the highest number allocated
}

// at returns element i, which must be allocated.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>chunkBits][i&chunkMask] }

// grow allocates a new element and returns its number.
func (s *slab[T]) grow() uint32 {
	s.last++
	if int(s.last>>chunkBits) >= len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkSize]T))
	}
	return s.last
}

// bytes returns the memory held.
func (s *slab[T]) bytes() int {
	return len(s.chunks) * int(unsafe.Sizeof([chunkSize]T{}))
}

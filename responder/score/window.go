package score

// cell is one observation in a window, packed into one word: microseconds since 1970 (55
// bits), proof (1), signal (7). Cells compare by time. The last bits of a network's time
// say which source it was (see shareMost).
type cell uint64

const (
	cellTimeBits = 55
	maxTime      = 1<<cellTimeBits - 1
)

func newCell(at int64, p Proof, s Signal) cell {
	return cell(at)<<8 | cell(p&1)<<7 | cell(s)&0x7f
}

func (c cell) at() int64      { return int64(c >> 8) }
func (c cell) proof() Proof   { return Proof(c>>7) & 1 }
func (c cell) signal() Signal { return Signal(c & 0x7f) }

// window is the sliding window of one key and one threshold, in one word:
//
//	0                        nothing
//	1<<63 | cell             one observation; most keys never have more
//	newest node<<32 | sum    several, in a ring of nodes ordered by time
type window uint64

const inline window = 1 << 63

func (w window) empty() bool    { return w == 0 }
func (w window) single() bool   { return w&inline != 0 }
func (w window) cell() cell     { return cell(w &^ inline) }
func (w window) newest() uint32 { return uint32(w >> 32) }

func ring(newest, sum uint32) window { return window(newest)<<32 | window(sum) }

// node is one cell of a ring. The newest links to the oldest.
type node struct {
	cell       cell
	next, prev uint32
}

// nodes stores all rings of one kind of key.
type nodes struct {
	slab  slab[node]
	free  uint32 // list of free nodes, by next
	limit int
	used  int
	mask  int64 // bits of a cell's time that hold something else
}

// time returns the time in a cell's time.
func (n *nodes) time(stamp int64) int64 { return stamp &^ n.mask }

func (n *nodes) available() int { return n.limit - n.used }

func (n *nodes) take(c cell) (uint32, *node) {
	n.used++
	i := n.free
	if i == 0 {
		i = n.slab.grow()
	} else {
		n.free = n.slab.at(i).next
	}
	x := n.slab.at(i)
	x.cell = c
	return i, x
}

func (n *nodes) give(i uint32) {
	n.slab.at(i).next = n.free
	n.free = i
	n.used--
}

// sum returns the points in a window.
func (n *nodes) sum(w window, r *rule) uint32 {
	switch {
	case w.empty():
		return 0
	case w.single():
		return r.points[w.cell().signal()]
	default:
		return uint32(w)
	}
}

// newestAt and oldestAt return the times at the ends of a window, which must not be
// empty.
func (n *nodes) newestAt(w window) int64 {
	if w.single() {
		return n.time(w.cell().at())
	}
	return n.time(n.slab.at(w.newest()).cell.at())
}

func (n *nodes) oldestAt(w window) int64 {
	if w.single() {
		return n.time(w.cell().at())
	}
	return n.time(n.slab.at(n.slab.at(w.newest()).next).cell.at())
}

// expire removes cells at or before cut. Each cell is removed once, so removing costs
// no more than adding in total.
func (n *nodes) expire(w window, r *rule, cut int64) window {
	if w.empty() {
		return w
	}
	if w.single() {
		if n.time(w.cell().at()) <= cut {
			return 0
		}
		return w
	}
	newest, sum := w.newest(), uint32(w)
	last := n.slab.at(newest)
	for {
		oldest := last.next
		x := n.slab.at(oldest)
		if n.time(x.cell.at()) > cut {
			return ring(newest, sum)
		}
		sum -= r.points[x.cell.signal()]
		if oldest == newest {
			n.give(oldest)
			return 0
		}
		last.next = x.next
		n.slab.at(x.next).prev = newest
		n.give(oldest)
	}
}

// add inserts a cell by time, usually at the newest end, unless a sensor is late. It
// takes up to two nodes.
func (n *nodes) add(w window, r *rule, c cell) window {
	if w.empty() {
		return inline | window(c)
	}
	sum := n.sum(w, r) + r.points[c.signal()]
	if w.single() {
		i, x := n.take(w.cell())
		x.next, x.prev = i, i
		w = ring(i, sum)
	}
	newest := w.newest()
	before := newest // the node that c comes after
	for n.slab.at(before).cell > c {
		before = n.slab.at(before).prev
		if before == newest {
			break // c is the oldest, which in a ring comes after the newest
		}
	}
	i, x := n.take(c)
	p := n.slab.at(before)
	x.prev, x.next = before, p.next
	n.slab.at(p.next).prev = i
	p.next = i
	if before == newest && c >= p.cell {
		newest = i
	}
	return ring(newest, sum)
}

// clear frees all nodes of a window.
func (n *nodes) clear(w window) window {
	if !w.empty() && !w.single() {
		first := n.slab.at(w.newest()).next
		for i := first; ; {
			next := n.slab.at(i).next
			n.give(i)
			if i == w.newest() {
				break
			}
			i = next
		}
	}
	return 0
}

// each calls fn for the cells from the oldest to the newest.
func (n *nodes) each(w window, fn func(cell)) {
	switch {
	case w.empty():
	case w.single():
		fn(w.cell())
	default:
		for i := w.newest(); ; {
			i = n.slab.at(i).next
			fn(n.slab.at(i).cell)
			if i == w.newest() {
				return
			}
		}
	}
}

package event

import "fmt"

// Header is one "Name: value" line of a block. Both fields point into the
// reader's buffer. A line that is not a header has an empty Name and the whole
// line in Value.
type Header struct{ Name, Value []byte }

// Block is one AMI block as received. The reader fills it; the Block and
// everything it points to are valid until the reader returns the next block.
type Block struct {
	Headers []Header
	// Raw holds the block's lines as received, without the terminating empty
	// line. If the block was cut short, Raw holds the lines that were kept.
	Raw []byte
	// Rest holds the bytes after the block that were already read, if any.
	Rest []byte
	// Damage is Undamaged when the framing of the block can be trusted.
	Damage Damage
}

// IsResponse reports whether the block answers an action. Only the first header
// counts: security events have a "Response" header further down.
func (b *Block) IsResponse() bool {
	return len(b.Headers) > 0 && string(b.Headers[0].Name) == "Response"
}

// Damage is the reason why the framing of a block cannot be trusted. If several
// apply, it is the first in the order below.
type Damage uint8

// The kinds of damage. The first three cut the block short: the lines up to the
// limit were kept, the rest up to the next empty line was dropped.
const (
	Undamaged      Damage = iota
	LineTooLong           // a line over the limit
	TooManyHeaders        // more lines than the limit
	BlockTooLarge         // more bytes than the limit
	NoColon               // a line that is not "Name: value"
	BareLF                // LF without CR inside a line
	NUL                   // NUL inside a line
	BareCR                // CR without LF inside a line
	damages
)

var damageNames = [damages]string{
	"none", "line too long", "too many headers", "block too large",
	"line without colon", "bare LF", "NUL", "bare CR",
}

// String describes the damage.
func (d Damage) String() string {
	if d < damages {
		return damageNames[d]
	}
	return fmt.Sprintf("Damage(%d)", uint8(d))
}

// Cut reports whether the block was cut short at a limit.
func (d Damage) Cut() bool { return d >= LineTooLong && d <= BlockTooLarge }

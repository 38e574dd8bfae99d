package event

import "fmt"

// Header is one "Name: value" line of a block. Both are views into the
// reader's buffer. A line that is not a header has an empty Name and is whole
// in Value.
type Header struct{ Name, Value []byte }

// Block is one AMI block as it stood on the wire. Its reader fills it; it and
// all it points to are valid until that reader's next block.
type Block struct {
	Headers []Header
	// Raw holds the block's lines as they came, without the empty line that ends
	// it; of a block cut short, the lines that were kept.
	Raw []byte
	// Rest holds the bytes already read that follow the block; it may be empty.
	Rest []byte
	// Damage is Undamaged when the framing of the block can be trusted.
	Damage Damage
}

// IsResponse reports whether the block answers an action. Only the first header
// decides: security events have a "Response" further down.
func (b *Block) IsResponse() bool {
	return len(b.Headers) > 0 && string(b.Headers[0].Name) == "Response"
}

// Damage is why the framing of a block cannot be trusted. When several reasons
// apply, it is the first of them in the order below.
type Damage uint8

// The kinds of damage. The first three cut the block short: what came before
// the cap was kept, the rest up to the next empty line was dropped.
const (
	Undamaged      Damage = iota
	LineTooLong           // a line over the cap
	TooManyHeaders        // more lines than the cap
	BlockTooLarge         // more bytes than the cap
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

// Cut reports whether the block was cut short at a cap.
func (d Damage) Cut() bool { return d >= LineTooLong && d <= BlockTooLarge }

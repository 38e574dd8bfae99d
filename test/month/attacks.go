package month

func (b *pbx) attack() {}

// AttackResult is how an attack ended.
type AttackResult struct {
	Name    string
	Stopped bool
	Detail  string
}

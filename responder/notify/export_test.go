package notify

import "io"

// WriteLetter writes a message as the mail that would be sent.
func (m *Mail) WriteLetter(w io.Writer, what *Message) error {
	letter, err := m.letter(what, m.To...)
	if err == nil {
		_, err = letter.WriteTo(w)
	}
	return err
}

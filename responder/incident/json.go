package incident

import (
	"bytes"
	"encoding/json"
)

// marshal is json.Marshal without the escapes for HTML, which an encoder that
// wants them adds to what a MarshalJSON gives.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

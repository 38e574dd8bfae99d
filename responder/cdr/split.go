package cdr

// Split splits a row of CSV and appends its fields to to. The fields are
// slices of it, except those with escaped quotes. ok is false when a quote is
// not closed.
func Split(line []byte, comma byte, to [][]byte) (fields [][]byte, ok bool) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	for {
		if len(line) == 0 || line[0] != '"' {
			end := 0
			for end < len(line) && line[end] != comma {
				end++
			}
			to = append(to, line[:end])
			if end == len(line) {
				return to, true
			}
			line = line[end+1:]
			continue
		}
		var field []byte
		doubled := false
		i := 1
		for ; ; i++ {
			if i >= len(line) {
				return to, false
			}
			if line[i] != '"' {
				if doubled {
					field = append(field, line[i])
				}
				continue
			}
			if i+1 < len(line) && line[i+1] == '"' {
				if !doubled {
					doubled, field = true, append(field, line[1:i]...)
				}
				field = append(field, '"')
				i++
				continue
			}
			break
		}
		if !doubled {
			field = line[1:i]
		}
		to = append(to, field)
		line = line[i+1:]
		if len(line) == 0 {
			return to, true
		}
		if line[0] != comma {
			return to, false
		}
		line = line[1:]
	}
}

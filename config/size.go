package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errSize = errors.New(`want a number of bytes, such as "256MB" or "1GB"`)

// sizeUnits are the units of a size, the largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GB", 1e9}, {"MB", 1e6}}

// parseSize reads a number of bytes: "256MB", "1GB".
func parseSize(s string) (int64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 20)
		if err != nil {
			return 0, errSize
		}
		return int64(n) * unit.bytes, nil
	}
	return 0, errSize
}

// FormatSize writes a number of bytes as the configuration does.
func FormatSize(n int64) string {
	for _, unit := range sizeUnits {
		if n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

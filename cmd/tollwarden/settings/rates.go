package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// RatesPath is where the carrier's rates are.
func RatesPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "rates.csv") }

// Rates reads the carrier's rates; nil if none were imported. at is when they were.
func Rates(cfg *config.Config) (r *spending.Rates, at time.Time, err error) {
	f, err := os.Open(RatesPath(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, at, nil
	}
	if err != nil {
		return nil, at, fmt.Errorf("rates: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		r, _, err = spending.ReadCSV(f)
	}
	if err != nil {
		return nil, at, fmt.Errorf("rates in %s: %w: import them again, or remove the file", f.Name(), err)
	}
	return r, info.ModTime(), nil
}

// StoreRates keeps rates where Rates finds them.
func StoreRates(cfg *config.Config, r *spending.Rates) error {
	var text strings.Builder
	if err := spending.WriteCSV(&text, r); err != nil {
		return err
	}
	if err := config.ReplaceFile(RatesPath(cfg), text.String()); err != nil {
		return fmt.Errorf("store the rates: %w", err)
	}
	return nil
}

package config

import "path/filepath"

// History is where records of past calls are, from which is learned at the first start.
type History struct {
	From     string // HistoryAuto, HistoryOff, HistoryDatabase, or the path of a file
	Database string // its name
}

// What History.From can be besides the path of a file.
const (
	HistoryAuto     = "auto"
	HistoryOff      = "off"
	HistoryDatabase = "database"
)

type fileHistory struct {
	From     *string `toml:"from"`
	Database *string `toml:"database"`
}

func (p *parser) history(in *fileHistory, h *History) {
	set(in.From, &h.From)
	set(in.Database, &h.Database)
	switch {
	case h.From == HistoryAuto, h.From == HistoryOff, h.From == HistoryDatabase, filepath.IsAbs(h.From):
	default:
		p.fail("calls.history.from", `%q: want "auto", "off", "database", or the full path of a file such as "/var/log/asterisk/cdr-csv/Master.csv"`, h.From)
	}
}

package amitest

import (
	"fmt"
	"maps"
	"slices"
)

// Realtime returns a copy of the rows of a realtime family.
func (p *PBX) Realtime(family string) (rows []map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range p.realtime[family] {
		rows = append(rows, maps.Clone(row))
	}
	return rows
}

// matching returns the rows of a family whose column has a value.
func (p *PBX) matching(family, column, value string) (rows []map[string]string) {
	for _, row := range p.realtime[family] {
		if row[column] == value {
			rows = append(rows, row)
		}
	}
	return rows
}

func cliRealtimeLoad(p *PBX, args []string) (string, bool) {
	const format = "%30s  %-30s\n"
	rows := p.matching(args[0], args[1], args[2])
	if len(rows) == 0 {
		return "No rows found matching search criteria.\n", true
	}
	output := fmt.Sprintf(format, "Column Name", "Column Value") +
		fmt.Sprintf(format, "--------------------", "--------------------")
	for _, column := range slices.Sorted(maps.Keys(rows[0])) {
		output += fmt.Sprintf(format, column, rows[0][column])
	}
	return output, true
}

func cliRealtimeUpdate(p *PBX, args []string) (string, bool) {
	if _, found := p.realtime[args[0]]; !found {
		return "Failed to update. Check the debug log for possible SQL related entries.\n", false
	}
	rows := p.matching(args[0], args[1], args[2])
	for _, row := range rows {
		row[args[3]] = args[4]
	}
	return fmt.Sprintf("Updated %d RealTime record%s.\n", len(rows), yes(len(rows) == 1, "", "s")), true
}

func cliRealtimeDestroy(p *PBX, args []string) (string, bool) {
	family := args[0]
	before := len(p.realtime[family])
	p.realtime[family] = slices.DeleteFunc(p.realtime[family], func(row map[string]string) bool {
		return row[args[1]] == args[2]
	})
	n := before - len(p.realtime[family])
	return fmt.Sprintf("Removed %d RealTime record%s.\n", n, yes(n == 1, "", "s")), true
}

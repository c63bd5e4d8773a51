package main

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/musterhq/muster/shared/fleet"
)

// column is one column of a table.
type column struct {
	title string
	width int // at most; 0: as wide as it gets
	right bool
	prose bool // breaks between words
}

// plain is a table without any lines: two spaces part the columns.
var plain = table.Style{
	Name: "plain",
	Box:  table.BoxStyle{PaddingRight: "  ", MiddleHorizontal: "-"},
	Format: table.FormatOptions{
		Header: text.FormatUpper, Row: text.FormatDefault,
	},
}

// printTable writes rows under a header, without trailing spaces.
func (s *session) printTable(columns []column, rows [][]string) {
	w := table.NewWriter()
	w.SetStyle(plain)
	header := table.Row{}
	var configs []table.ColumnConfig
	for i, c := range columns {
		header = append(header, c.title)
		config := table.ColumnConfig{Number: i + 1, WidthMax: c.width, WidthMaxEnforcer: text.WrapText}
		if c.prose {
			config.WidthMaxEnforcer = text.WrapSoft
		}
		if c.right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	w.SetColumnConfigs(configs)
	w.AppendHeader(header)
	for _, cells := range rows {
		row := table.Row{}
		for _, cell := range cells {
			row = append(row, cell)
		}
		w.AppendRow(row)
	}
	for line := range strings.Lines(w.Render()) {
		s.printf("%s\n", strings.TrimRight(line, " \n"))
	}
}

// state writes a state's word, in a color that says how good it is.
func (s *session) state(word string) string {
	if !s.colors {
		return word
	}
	switch word {
	case fleet.ServiceConverged, fleet.ServiceCompleted, fleet.RolloutSucceeded, "ready", fleet.HostUp, fleet.CheckPassing, fleet.AvailabilityActive:
		return text.FgGreen.Sprint(word)
	case fleet.ServiceHeld, fleet.RolloutRollingBack, fleet.RolloutRolledBack, fleet.RolloutRollbackPaused, fleet.HostLost, fleet.CheckFailing, fleet.PhaseBackoff, "down", "failed":
		return text.FgRed.Sprint(word)
	case fleet.ServiceFrozen, fleet.HostStopped, fleet.PhaseExited:
		return text.FgCyan.Sprint(word)
	default:
		return text.FgYellow.Sprint(word)
	}
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

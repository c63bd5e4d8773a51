package loop

import (
	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/wire"
)

func (s *shell) publish(out *brain.Outputs) {
	if out.Presence != nil {
		s.send(wire.LeafPresence, out.Beat, out.Presence, true)
	}
	if out.Actual != nil {
		s.send(wire.LeafActual, out.Sequence, out.Actual, true)
	}
	if b := out.Events; b != nil {
		s.send(wire.LeafEvents, b.First+uint64(len(b.Events))-1, b, false)
	}
	if out.Metrics != nil {
		s.send(wire.LeafMetrics, out.Turn, out.Metrics, false)
	}
}

// send leaves a message with the link, which delivers it when it can.
func (s *shell) send(leaf string, generation uint64, body any, retain bool) {
	payload, err := wire.Seal(s.state.Lineage(), 0, generation, body)
	if err == nil {
		err = s.around.Link.Set(wire.Host(s.options.Brain.Host, leaf), payload, retain)
	}
	if err != nil {
		s.options.Logger.Error("message not sent", "leaf", leaf, "error", err)
	}
}

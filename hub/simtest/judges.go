package simtest

import "github.com/musterhq/muster/hub/turn"

// judge asks somebody outside, who mostly lets a rollout go on.
func (h *hub) judge(ask turn.JudgeAsk) {
	life := h.life
	said := turn.JudgedIn{Service: ask.Service, Rollout: ask.Rollout.ID, Index: ask.Index, Reason: "so they say"}
	switch p := h.sim.chance("judges").IntN(20); {
	case h.lenient || p < 14:
		said.Verdict = turn.JudgeContinue
	case p < 17:
		said.Verdict = turn.JudgeHold
	case p < 18:
		said.Verdict = turn.JudgeBack
	}
	h.sim.after(2*h.sim.hop(), func() {
		if h.up && h.life == life {
			if said.Verdict == turn.JudgeContinue {
				h.sim.checker.agreed(ask)
			}
			h.put(said, nil)
		}
	})
}

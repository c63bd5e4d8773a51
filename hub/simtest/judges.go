package simtest

import "github.com/musterhq/muster/hub/turn"

// judge asks somebody outside, who mostly lets a rollout go on.
func (h *hub) judge(ask turn.JudgeAsk) {
	life := h.life
	verdict := ""
	switch p := h.sim.chance("judges").IntN(20); {
	case h.lenient || p < 14:
		verdict = turn.JudgeContinue
	case p < 17:
		verdict = turn.JudgeHold
	case p < 18:
		verdict = turn.JudgeBack
	}
	h.sim.after(2*h.sim.hop(), func() {
		if h.up && h.life == life {
			if verdict == turn.JudgeContinue && ask.Hook == "" {
				h.sim.checker.agreed(ask)
			}
			h.put(ask.Answer(verdict, "so they say"), nil)
		}
	})
}

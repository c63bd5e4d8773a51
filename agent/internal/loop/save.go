package loop

import (
	"github.com/musterhq/muster/agent/brain"
)

// saveRounds bounds the saves that one turn may ask for; the next turn goes on.
const saveRounds = 8

// save writes the brain's cache as long as the brain asks for it.
func (s *shell) save() {
	for range saveRounds {
		if !s.unsaved {
			return
		}
		s.unsaved = false
		s.reached(PointBeforeSave)
		err := s.options.Store.Save(s.state.Cache())
		s.reached(PointAfterSave)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		s.sayProblem(problem)
		s.nameLineage()
		s.step(brain.Saved{Problem: problem})
	}
}

// sayProblem logs when saving begins to fail and when it works again.
func (s *shell) sayProblem(problem string) {
	switch {
	case problem == s.problem:
		return
	case problem != "":
		s.options.Logger.Error("state not saved: going on with what is in memory", "error", problem)
	default:
		s.options.Logger.Info("state saved again")
	}
	s.problem = problem
}

func (s *shell) reached(point string) {
	if s.options.Reached != nil {
		s.options.Reached(point)
	}
}

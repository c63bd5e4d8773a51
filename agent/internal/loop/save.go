package loop

import (
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// save begins to write the brain's cache as it is now. The brain asks for one
// at a time; what doesn't depend on it goes on meanwhile.
func (s *shell) save() {
	data, err := s.options.Store.Encode(s.state.Cache())
	written := make(chan struct{})
	s.written = written
	s.workers.Go(func() {
		began := time.Now()
		s.reached(PointBeforeSave)
		if err == nil {
			err = s.options.Store.Write(data)
		}
		s.reached(PointAfterSave)
		close(written)
		took := time.Since(began)
		s.put(func(s *shell) {
			s.observer.Worked(WorkSave, took, err != nil)
			s.saved(err)
		})
	})
}

func (s *shell) saved(err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	s.sayProblem(problem)
	s.step(brain.Saved{Problem: problem})
	s.nameLineage()
}

// leave saves what isn't on disk, after what is being written. What the hub
// wasn't told, the next agent tells it.
func (s *shell) leave() {
	if s.written != nil {
		<-s.written
	}
	data, err := s.options.Store.Encode(s.state.Cache())
	if err == nil {
		err = s.options.Store.Write(data)
	}
	if err != nil {
		s.options.Logger.Error("state not saved", "error", err)
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

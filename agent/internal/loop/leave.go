package loop

import "github.com/musterhq/muster/agent/brain"

// withdraw has the balancers seen to, and then goes on with leaving.
func (s *shell) withdraw(policy string) {
	s.options.Logger.Info("this host leaves the fleet, as the hub told it", "policy", policy)
	s.workers.Go(func() {
		if s.options.Withdraw != nil {
			s.options.Withdraw(s.ctx, policy)
		}
		s.input(brain.Withdrawn{})
	})
}

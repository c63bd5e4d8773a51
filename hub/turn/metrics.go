package turn

// metrics keeps what a host's balancers counted last. Nobody's state follows from
// it by itself, and it is no sign of life: a host that wasn't heard has none.
func (t *tx) metrics(in MetricsIn) {
	if l := t.live.edit(in.Host); l != nil {
		l.Metrics, l.Measured = &in.Metrics, t.now
	}
}

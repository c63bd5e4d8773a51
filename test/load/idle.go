package load

import (
	"context"
	"time"
)

// rest keeps one connection that is idle for most of the time: open, a request,
// IdleFor of silence, a request …. The connections are staggered, so that there
// is always one that was silent just before, during and after a change.
func (g *Generator) rest(ctx context.Context, rec *recorder, number int) {
	every := g.options.IdleFor
	due := rec.began.Add(every * time.Duration(number) / time.Duration(g.options.IdleConns))
	var conn *connection
	for g.sleepUntil(ctx, due) {
		o := outcome{request: -1, due: due}
		if conn != nil && conn.closedByServer() {
			_ = conn.Close()
			conn, o.reopened = nil, 1
		}
		o.reused = conn != nil
		conn = g.exchange(ctx, &o, conn, 0, true)
		rec.add(o)
		due = time.Now().Add(every)
	}
	if conn != nil {
		_ = conn.Close()
	}
}

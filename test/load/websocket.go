package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// redialAfter is the pause between a WebSocket that failed and the next one.
const redialAfter = 200 * time.Millisecond

// talk keeps one WebSocket for the whole run.
func (g *Generator) talk(ctx context.Context, rec *recorder) {
	for g.sleepUntil(ctx, time.Now()) {
		err := g.conversation(ctx, rec)
		var closed *websocket.CloseError
		switch {
		case err == nil, ctx.Err() != nil:
			continue
		case errors.As(err, &closed) && takesLeave(closed.Code):
			rec.webSocket(func(r *WebSocketResult) { r.Closed++ })
		default:
			rec.webSocket(func(r *WebSocketResult) {
				r.Failed++
				r.ByError[errorKind(err)]++
			})
			g.sleepUntil(ctx, time.Now().Add(redialAfter))
		}
	}
}

// takesLeave is true for the codes of a server that ends a conversation on
// purpose and wants its client to come back.
func takesLeave(code int) bool {
	return code == websocket.CloseNormalClosure || code == websocket.CloseGoingAway || code == websocket.CloseServiceRestart
}

// conversation opens one WebSocket and uses it until its life, or the run, ends.
func (g *Generator) conversation(ctx context.Context, rec *recorder) error {
	conn, err := g.dialWebSocket(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	rec.webSocket(func(r *WebSocketResult) { r.Opened++ })

	began := time.Now()
	for n := 0; g.options.WSLife == 0 || time.Since(began) < g.options.WSLife; n++ {
		message := fmt.Sprintf("message %d", n)
		_ = conn.SetWriteDeadline(time.Now().Add(g.options.Timeout))
		if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			// What the server said last is the better explanation.
			if _, _, heard := conn.ReadMessage(); heard != nil {
				return &stepError{"read", heard}
			}
			return &stepError{"write", err}
		}
		_ = conn.SetReadDeadline(time.Now().Add(g.options.Timeout))
		_, got, err := conn.ReadMessage()
		switch {
		case err != nil:
			return &stepError{"read", err}
		case string(got) != message:
			return errors.New("a message came back changed")
		}
		rec.webSocket(func(r *WebSocketResult) { r.Messages++ })
		if !g.sleepUntil(ctx, time.Now().Add(g.options.WSEvery)) {
			break
		}
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
	return nil
}

func (g *Generator) dialWebSocket(ctx context.Context) (*websocket.Conn, error) {
	where := url.URL{Scheme: "ws", Host: g.client.target.Host, Path: g.options.WSPath}
	dialer := websocket.Dialer{
		NetDialContext:   (&net.Dialer{}).DialContext,
		HandshakeTimeout: g.options.Timeout,
	}
	conn, resp, err := dialer.DialContext(ctx, where.String(), nil) //nolint:bodyclose // a handshake's answer needs no closing
	switch {
	case err == nil:
		return conn, nil
	case resp != nil:
		return nil, fmt.Errorf("handshake: status %d", resp.StatusCode)
	default:
		return nil, &stepError{"handshake", err}
	}
}

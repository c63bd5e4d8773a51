package recentlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheEndOfTheLogIsKept(t *testing.T) {
	var log bytes.Buffer
	ring := New(1000)
	logger := ring.Tee(slog.New(slog.NewTextHandler(&log, nil))).With("host", "web1")
	for i := range 100 {
		logger.Info("line", "n", i)
		logger.Debug("not for this log", "n", i)
	}
	var kept bytes.Buffer
	if _, err := ring.WriteTo(&kept); err != nil {
		t.Fatal(err)
	}
	if kept.Len() > 1000 || kept.Len() < 900 || !strings.HasSuffix(log.String(), kept.String()) {
		t.Errorf("kept %d bytes:\n%s", kept.Len(), kept.String())
	}
	if !strings.Contains(kept.String(), "msg=line host=web1 n=99\n") || !strings.HasPrefix(kept.String(), "time=") {
		t.Errorf("kept\n%s", kept.String())
	}
}

func TestALongLineIsCut(t *testing.T) {
	ring := New(1 << 20)
	ring.Tee(slog.New(slog.DiscardHandler)).Info("dropped by the other handler")
	slog.New(slog.NewTextHandler(ring, nil)).Info("long", "text", strings.Repeat("x", 1<<20))
	var kept bytes.Buffer
	_, _ = ring.WriteTo(&kept)
	if text := kept.String(); len(text) > maxLine+10 || !strings.HasSuffix(text, "…\n") || strings.Contains(text, "dropped") {
		t.Errorf("kept %d bytes", kept.Len())
	}
}

func TestManyMayWriteAndRead(t *testing.T) {
	ring := New(10_000)
	logger := ring.Tee(slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 200 {
				logger.Info("line", "from", fmt.Sprint(i), "n", j)
				var kept bytes.Buffer
				if _, err := ring.WriteTo(&kept); err != nil || kept.Len() > 10_000 {
					t.Errorf("%d bytes, %v", kept.Len(), err)
				}
			}
		})
	}
	all.Wait()
}

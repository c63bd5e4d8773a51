package resolve

import (
	"io"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

// listening guards the logger of the Compose library, which is global.
var listening sync.Mutex

// listen runs do and returns what the Compose library warned of meanwhile,
// like a variable that is not set.
func listen(do func() error) ([]string, error) {
	listening.Lock()
	defer listening.Unlock()
	logger := logrus.StandardLogger()
	heard := &hook{}
	output, hooks := logger.Out, logger.ReplaceHooks(logrus.LevelHooks{})
	defer func() {
		logger.SetOutput(output)
		logger.ReplaceHooks(hooks)
	}()
	logger.SetOutput(io.Discard)
	logger.AddHook(heard)
	err := do()
	return heard.messages, err
}

type hook struct{ messages []string }

func (h *hook) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel} }

// Fire keeps a warning. That the specification has no use for version any more is
// none: files of Swarm's have to have it.
func (h *hook) Fire(entry *logrus.Entry) error {
	if !strings.Contains(entry.Message, "`version` is obsolete") {
		h.messages = append(h.messages, entry.Message)
	}
	return nil
}

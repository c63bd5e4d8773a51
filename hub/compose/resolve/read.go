package resolve

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// MaxFile is how many bytes one file may have: what all of them become may have no
// more at the hub.
const MaxFile = compose.MaxDocument

// stdinName is what errors call standard input.
const stdinName = "standard input"

// readAll reads the files that were named.
func readAll(names []string, input io.Reader) ([]types.ConfigFile, error) {
	var files []types.ConfigFile
	for _, name := range names {
		content, err := read(name, input)
		if err != nil {
			return nil, err
		}
		if name == stdin {
			name = stdinName
		} else if name, err = filepath.Abs(name); err != nil {
			return nil, err
		}
		if len(content) == 0 { // the library would look for it by itself
			return nil, fleet.Invalid("", "%s is empty", name).WithHint(needed)
		}
		files = append(files, types.ConfigFile{Filename: name, Content: compose.QuoteDates(content)})
	}
	return files, nil
}

func read(name string, input io.Reader) ([]byte, error) {
	if name == stdin {
		if input == nil {
			return nil, fleet.Invalid("", "there is no standard input to read")
		}
		return bounded(stdinName, input)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer file.Close()
	return bounded(name, file)
}

// bounded reads to the end, or to the limit.
func bounded(name string, from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	switch {
	case err != nil:
		return nil, unreadable(name, err)
	case len(data) > MaxFile:
		return nil, tooLarge(name)
	}
	return data, nil
}

func tooLarge(name string) error {
	return fleet.Invalid("", "%s has more than %d bytes, which is the limit of a Compose file", name, MaxFile).
		WithHint("is it the right file? Content for containers belongs into images, volumes or configs")
}

// fits says that a file that the library is going to read is one and not too large.
// That there is none is the library's to say.
func fits(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(path, err)
	case info.Mode().IsRegular() && info.Size() > MaxFile:
		return tooLarge(path)
	case info.Mode()&os.ModeDevice != 0 && path != os.DevNull: // it may have no end
		return fleet.Invalid("", "%s is a device", path)
	}
	return nil
}

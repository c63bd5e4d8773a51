package brain

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// ConfigFile is a config that a container sees as a file. The shell writes it before
// it makes or starts the container.
type ConfigFile struct {
	File    string // its name, in the instance's own folder
	Content []byte
	UID     int
	GID     int
	Mode    fleet.FileMode
}

// configsOf are the configs that a container of the version needs.
func configsOf(spec *fleet.Spec) (files []ConfigFile) {
	for i, c := range spec.Configs {
		files = append(files, ConfigFile{File: strconv.Itoa(i), Content: c.Content, UID: c.UID, GID: c.GID, Mode: c.Mode})
	}
	return files
}

// configFiles are the configs of an instance as its container sees them.
func (s *State) configFiles(a *fleet.Assignment, spec *fleet.Spec) (files []File) {
	for i, c := range spec.Configs {
		files = append(files, File{Source: path.Join(s.config.ConfigsDir, a.ID, strconv.Itoa(i)), Target: c.Target})
	}
	return files
}

// unfit says why this host can't run what a version says of its containers, if so.
func (s *State) unfit(spec *fleet.Spec) string {
	for _, c := range spec.Configs {
		if !path.IsAbs(c.Target) || c.UID < 0 || c.GID < 0 || fleet.ConfigSum(c.Content) != c.Sum {
			return fmt.Sprintf("its config %.64q on %.64q can't be given to it", c.Name, c.Target)
		}
	}
	if missing := s.facts.Lacks(spec); len(missing) > 0 {
		return "this host has no device " + strings.Join(missing, ", ")
	}
	return ""
}

// takeFacts takes in what the machine says of itself. A device that came or went
// changes what can run here.
func (s *State) takeFacts(in FactsRead) {
	changed := !slices.Equal(s.facts.Devices, in.Facts.Devices)
	s.facts = in.Facts
	if changed && s.accepted != nil {
		s.review()
	}
}

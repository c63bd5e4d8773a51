package brain

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Secret is a secret that a container sees as a file. The shell writes the file
// before it makes or starts the container; until then what is in it is encrypted.
type Secret struct {
	Ref    string // fleet.SecretRef
	Sealed string // as it came from the hub
	File   string // its name, in the instance's own folder
	UID    int
	GID    int
	Mode   fleet.FileMode
}

// File is a file of the host's that a container sees, and can't change.
type File struct{ Source, Target string }

// secretsOf are the secrets that a container of the version needs, and what lacks.
func (s *State) secretsOf(a *fleet.Assignment, spec *fleet.Spec) (secrets []Secret, lacks string) {
	names := fileNames(spec.Secrets)
	for i, m := range spec.Secrets {
		ref := fleet.SecretRef(fleet.SecretKey{Project: a.Service.Project, Name: m.Name}, m.Revision)
		sealed := s.accepted.desired.Secrets[ref]
		if sealed == "" {
			return nil, "the hub hasn't sent its secret " + ref
		}
		secrets = append(secrets, Secret{Ref: ref, Sealed: sealed, File: names[i], UID: m.UID, GID: m.GID, Mode: m.Mode})
	}
	return secrets, ""
}

// fileNames are those of secrets in an instance's folder: their own, with a number
// where the same secret is there twice.
func fileNames(mounts []fleet.SecretMount) []string {
	names, seen := make([]string, len(mounts)), map[string]int{}
	for i, m := range mounts {
		if names[i] = m.Name; seen[m.Name] > 0 {
			names[i] = fmt.Sprintf("%s~%d", m.Name, seen[m.Name])
		}
		seen[m.Name]++
	}
	return names
}

// files are the secrets of an instance as its container sees them.
func (s *State) files(a *fleet.Assignment, spec *fleet.Spec) (files []File) {
	names := fileNames(spec.Secrets)
	for i, m := range spec.Secrets {
		files = append(files, File{Source: path.Join(s.config.SecretsDir, a.ID, names[i]), Target: m.Target})
	}
	return files
}

// secretive says why this agent can't give a version its secrets, if so.
func (s *State) secretive(spec *fleet.Spec) string {
	if len(spec.Secrets) > 0 && s.config.NoSecrets != "" {
		return "this host can't have secrets: " + s.config.NoSecrets
	}
	for _, m := range spec.Secrets {
		if fleet.ValidateSecretName(m.Name) != nil || !path.IsAbs(m.Target) || m.UID < 0 || m.GID < 0 {
			return fmt.Sprintf("its secret %.64q on %.64q can't be given to it", m.Name, m.Target)
		}
	}
	return ""
}

// tellSecrets names the instances whose secrets' files stay. It is unknown until the
// containers are.
func (s *State) tellSecrets(out *Outputs) {
	if s.accepted == nil || !s.listed || !s.engine.Up {
		return
	}
	keep := []string{}
	for _, id := range sortedKeys(s.instances) {
		inst, a := s.instances[id], s.assigned[id]
		if inst.container != nil || inst.op != nil || inst.unsure || a != nil && a.Goal == fleet.GoalRun {
			keep = append(keep, id)
		}
	}
	if s.report.secretsTold && slices.Equal(keep, s.report.secrets) {
		return
	}
	s.report.secrets, s.report.secretsTold = keep, true
	out.Secrets, out.SecretsChanged = keep, true
}

// login is what the registry of an image is to be told, as it came from the hub.
func (s *State) login(image string) (registry, sealed string) {
	registry = fleet.RegistryOf(image)
	return registry, s.accepted.desired.Registries[registry]
}

func (s *State) logins() map[string]string {
	if s.accepted == nil {
		return nil
	}
	return s.accepted.desired.Registries
}

// loginsChanged has what failed tried again at once where its registry is told
// something else than before.
func (s *State) loginsChanged(before, now map[string]string) {
	changed := map[string]bool{}
	for _, registries := range []map[string]string{before, now} {
		for registry := range maps.Keys(registries) {
			changed[registry] = before[registry] != now[registry]
		}
	}
	for id, inst := range s.instances {
		a := s.assigned[id]
		if a == nil || inst.container != nil || inst.op != nil || inst.pulled {
			continue
		}
		if spec := s.runnable(a); spec != nil && changed[fleet.RegistryOf(imageFor(inst, a, spec))] {
			inst.recover()
		}
	}
	for _, p := range s.preparations {
		if p.op == nil && p.problem != "" && changed[fleet.RegistryOf(cmp.Or(s.imageOf(p), p.named))] {
			p.failures, p.nextTry, p.problem = 0, time.Time{}, ""
		}
	}
}

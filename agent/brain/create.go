package brain

import (
	"cmp"
	"maps"
	"strconv"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// imageFor names the image to fetch: the version's pin; else what this
// instance had before; else what the spec says. An image id names something
// that only a host that has it knows, so it is tried once.
func imageFor(inst *instance, a *fleet.Assignment, spec *fleet.Spec) string {
	pin := cmp.Or(a.Pin, inst.rec.Image.Digest, inst.rec.Image.ID)
	if pin == "" || inst.pinFailed && isImageID(pin) {
		return spec.Image
	}
	return pin
}

// pull is the operation that brings an image. A first look asks nobody but the
// engine. Who wants what the registry has now is given that, until the version is
// pinned; who wants nothing pulled is told what lacks.
func pull(policy, image string, lacks, pinned bool) *Op {
	op := &Op{Kind: OpPull, Image: image, Local: !lacks}
	switch {
	case policy == fleet.PullNever:
		op.Local, op.Never = true, lacks
	case policy == fleet.PullAlways && !pinned:
		op.Local, op.Anew = false, true
	}
	return op
}

func isImageID(ref string) bool { return strings.HasPrefix(ref, "sha256:") }

// create says how the next container of an instance is made.
func (s *State) create(inst *instance, a *fleet.Assignment, spec *fleet.Spec) *Create {
	labels := maps.Clone(spec.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		LabelLineage:     s.lineage,
		LabelHost:        s.config.Host,
		LabelInstance:    a.ID,
		LabelProject:     a.Service.Project,
		LabelService:     a.Service.Name,
		LabelVersion:     strconv.Itoa(a.Version),
		LabelSlot:        strconv.Itoa(a.Slot),
		LabelIncarnation: strconv.Itoa(inst.rec.Incarnation + 1),
		LabelSpec:        spec.Sum(),
		LabelPorts:       portsLabel(inst.rec.Ports),
	})
	environment := maps.Clone(spec.Environment)
	if environment == nil {
		environment = map[string]string{}
	}
	maps.Copy(environment, map[string]string{
		"MUSTER_INSTANCE": a.ID,
		"MUSTER_SERVICE":  a.Service.String(),
		"MUSTER_VERSION":  strconv.Itoa(a.Version),
		"MUSTER_HOST":     s.config.Host,
		"MUSTER_SLOT":     strconv.Itoa(a.Slot),
	})
	return &Create{
		Name:        fleet.ContainerName(a.Service, a.Slot, a.ID),
		Image:       cmp.Or(inst.rec.Image.ID, spec.Image),
		Spec:        *spec,
		Labels:      labels,
		Environment: environment,
		Bind:        s.bind,
		Ports:       maps.Clone(inst.rec.Ports),
		Hosts:       maps.Clone(s.accepted.desired.Names[a.Service.Project]),
		Files:       append(s.files(a, spec), s.configFiles(a, spec)...),
	}
}

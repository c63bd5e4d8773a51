package compose

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// keyReschedule is what becomes of instances whose host is lost.
const keyReschedule = "x-reschedule"

// Bounds of what a service may prefer and ask for.
const (
	maxPreferences    = 8
	maxKinds          = 32 // of generic resources
	maxDeviceRequests = 16 // for devices
	maxWords          = 64 // of a request
)

// mapPlaces fills in where a service wants to run, and what it takes of hosts.
func mapPlaces(p *problems, path string, s types.ServiceConfig, reschedule any, service *fleet.Service) {
	mapReschedule(p, join(path, keyReschedule), reschedule, service)
	service.Spec.Devices = mapDeviceRequests(p, join(path, "gpus"), s.Gpus, fleet.DeviceGPU)
	if s.Deploy == nil {
		return
	}
	at := join(path, "deploy.placement")
	service.Spread = mapPreferences(p, join(at, "preferences"), s.Deploy.Placement.Preferences)
	service.MostPerHost = mapMostPerHost(p, join(at, "max_replicas_per_node"), s.Deploy.Placement.MaxReplicas, service.Mode)
	if r := s.Deploy.Resources.Reservations; r != nil {
		at = join(path, "deploy.resources.reservations")
		service.Spec.Generic = mapGeneric(p, join(at, "generic_resources"), r.GenericResources)
		service.Spec.Devices = append(service.Spec.Devices, mapDeviceRequests(p, join(at, "devices"), r.Devices)...)
	}
}

const preferenceHint = "write it like spread: node.labels.zone"

// mapPreferences reads which labels a service is spread over, the most important first.
func mapPreferences(p *problems, path string, source []types.PlacementPreferences) (labels []string) {
	if len(source) > maxPreferences {
		p.invalid(path, "%d entries; the limit is %d", len(source), maxPreferences)
		return nil
	}
	for i, preference := range source {
		at := join(index(path, i), "spread")
		short := strings.TrimPrefix(strings.TrimPrefix(preference.Spread, "node."), "host.")
		label, isLabel := strings.CutPrefix(short, "labels.")
		if engine, of := strings.CutPrefix(preference.Spread, "engine.labels."); of {
			p.warn(at, "read as node.labels.%s: hosts don't tell of their engine's labels", engine)
			label, isLabel, short = engine, true, "labels."+engine
		}
		switch {
		case preference.Spread == "":
			p.invalid(at, "missing").WithHint(preferenceHint)
		case !isLabel || short == preference.Spread || !labelName.MatchString(label):
			p.invalid(at, "%q is not a label to spread over", preference.Spread).WithHint(preferenceHint)
		case slices.Contains(labels, label):
			p.invalid(at, "%q is there twice", label).WithHint("name each label once")
		default:
			labels = append(labels, label)
		}
	}
	return labels
}

// mapMostPerHost reads max_replicas_per_node; 0: any number.
func mapMostPerHost(p *problems, path string, most uint64, mode string) int {
	switch {
	case most == 0:
	case mode != fleet.ModeReplicated:
		p.warn(path, "ignored: it has no meaning in mode %s", mode)
	case most > MaxCount:
		p.invalid(path, "must be a number from 0 to %d", MaxCount)
	default:
		return int(most)
	}
	return 0
}

// mapReschedule reads x-reschedule: never, or {after: 30s}.
func mapReschedule(p *problems, path string, value any, service *fleet.Service) {
	if value == nil {
		return
	}
	if text, isText := value.(string); isText {
		if text != fleet.RescheduleNever {
			p.invalid(path, "%q is not supported", text).WithHint("use never, or {after: 30s}")
			return
		}
		service.Reschedule = fleet.RescheduleNever
	} else {
		f, ok := newFields(p, path, value)
		if !ok {
			return
		}
		if service.Grace = f.duration("after"); !f.has("after") {
			p.invalid(join(path, "after"), "missing").WithHint("use never, or {after: 30s}")
		}
		f.done()
	}
	if service.Mode != fleet.ModeReplicated {
		p.warn(path, "ignored: what runs in mode %s is not placed anew elsewhere", service.Mode)
		service.Reschedule, service.Grace = "", 0
	}
}

// mapGeneric reads generic_resources, which placement counts.
func mapGeneric(p *problems, path string, source []types.GenericResource) (out []fleet.GenericResource) {
	if len(source) > maxKinds {
		p.invalid(path, "%d entries; the limit is %d", len(source), maxKinds)
		return nil
	}
	for i, resource := range source {
		at := join(index(path, i), "discrete_resource_spec")
		spec := resource.DiscreteResourceSpec
		if spec == nil {
			p.invalid(at, "missing").WithHint("write it like discrete_resource_spec: {kind: licence, value: 1}")
			continue
		}
		if spec.Value < 1 || spec.Value > fleet.MaxResources {
			p.invalid(join(at, "value"), "must be a number from 1 to %d", fleet.MaxResources)
			continue
		}
		if err := fleet.ValidateResource(spec.Kind, int(spec.Value)); err != nil {
			p.invalid(join(at, "kind"), "%q is not the kind of a resource", spec.Kind).WithHint("use the name under which agents announce it by --resource NAME=NUMBER")
			continue
		}
		if slices.ContainsFunc(out, func(g fleet.GenericResource) bool { return g.Kind == spec.Kind }) {
			p.invalid(join(at, "kind"), "%q is there twice", spec.Kind).WithHint("state each kind once")
			continue
		}
		out = append(out, fleet.GenericResource{Kind: spec.Kind, Count: int(spec.Value)})
	}
	slices.SortFunc(out, func(a, b fleet.GenericResource) int { return strings.Compare(a.Kind, b.Kind) })
	return out
}

// mapDevices reads what is asked of the engine; gpus has the capability gpu without
// saying so.
func mapDeviceRequests(p *problems, path string, source []types.DeviceRequest, always ...string) (out []fleet.DeviceRequest) {
	if len(source) > maxDeviceRequests {
		p.invalid(path, "%d entries; the limit is %d", len(source), maxDeviceRequests)
		return nil
	}
	for i, request := range source {
		at := index(path, i)
		capabilities := slices.Concat(request.Capabilities, always)
		slices.Sort(capabilities)
		d := fleet.DeviceRequest{
			Driver: request.Driver, Count: int(request.Count), IDs: request.IDs, Capabilities: slices.Compact(capabilities), Options: request.Options,
		}
		switch {
		case len(d.Capabilities) == 0:
			p.invalid(join(at, "capabilities"), "missing").WithHint("say what the devices can, like [gpu]")
		case len(d.IDs) > 0 && d.Count != 0:
			p.invalid(join(at, "count"), "device_ids name the devices").WithHint("state one of the two")
		case d.Count < fleet.AllDevices || d.Count > fleet.MaxResources:
			p.invalid(join(at, "count"), "must be all, or a number from 1 to %d", fleet.MaxResources)
		case len(d.Capabilities)+len(d.IDs)+len(d.Options) > maxWords:
			p.invalid(at, "too long: the limit is %d capabilities, ids and options", maxWords)
		}
		if d.Count == 0 && len(d.IDs) == 0 {
			d.Count = fleet.AllDevices
		}
		out = append(out, d)
	}
	return out
}

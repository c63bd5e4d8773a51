package compose

import (
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"

	"github.com/musterhq/muster/shared/fleet"
)

// NameHint says what a service may be called.
const NameHint = "use 1 to 63 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"

// mapService maps one service. It returns the ports it claims on balancers.
// When ok is false, the problems say why.
func mapService(p *problems, doc *document, name string, order depends) (service fleet.Service, claims []claim, ok bool) {
	path := join("services", name)
	if err := fleet.ValidateServiceName(name); err != nil {
		p.invalid(path, "%q is not a service name", name).WithHint(NameHint)
		return service, nil, false
	}
	tree, isMap := doc.services[name].(map[string]any)
	if !isMap {
		p.invalid(path, "must be a mapping")
		return service, nil, false
	}
	deploy, _ := tree["deploy"].(map[string]any)
	lb, probe, rollout, versions := take(tree, keyLB), take(tree, keyProbe), take(deploy, keyRollout), take(tree, keyVersions)
	reschedule := take(tree, keyReschedule)
	built := tree["build"] != nil
	checkKeys(p, path, tree, serviceKeys)
	checkNulls(p, path, tree)

	mounts, _ := tree["volumes"].([]any)
	checkShortMounts(p, join(path, "volumes"), mounts)
	source, ok := load(p, path, projectOr(doc.name), name, tree)
	if !ok {
		return service, nil, false
	}
	if len(mounts) > len(source.Volumes) { // the library keeps the last one
		p.invalid(join(path, "volumes"), "two entries mount on the same path").WithHint("mount one thing on a path")
	}
	service.Key = fleet.ServiceKey{Project: doc.name, Name: name}
	service.Spec = mapSpec(p, path, source)
	mapImage(p, path, source.Image, built)
	service.Spec.Mounts = mapMounts(p, path, source.Volumes, doc.volumes)
	service.Spec.Secrets = mapSecrets(p, path, source.Secrets, doc.secrets, service.Spec.Mounts)
	mapConfigs(p, path, source.Configs, doc.configs, &service.Spec)
	mapNetworks(p, doc, path, name, &source, &service.Spec)
	mapDeploy(p, path, source, order.oneShots[name], &service)
	mapPlaces(p, path, source, reschedule, &service)
	service.DependsOn = order.on[name]
	mapPlatform(p, join(path, "platform"), source.Platform, &service)
	checkLinks(p, doc, join(path, "links"), source.Links)

	ports := mapPorts(p, path, source)
	service.Balancing, claims = mapBalancing(p, path, lb, ports)
	service.Spec.Probe = mapProbe(p, join(path, keyProbe), probe, service.Balancing)
	service.Spec.Publish = publish(ports, service.Balancing, service.Spec.Probe)
	settleNetworks(p, path, &service.Spec)
	ports.warnElsewhere(p, service.Balancing)
	service.Keep = mapVersions(p, join(path, keyVersions), versions)
	if service.Mode == fleet.ModeJob {
		checkJob(p, path, source, lb, probe, rollout, &service)
	} else {
		service.Rollout = mapRollout(p, path, source.Deploy, rollout, &service)
	}
	return service, claims, true
}

// take removes a key of ours from a tree and returns what it had.
func take(tree map[string]any, key string) any {
	value := tree[key]
	delete(tree, key)
	return value
}

// mapVersions reads x-versions: how many versions are kept.
func mapVersions(p *problems, path string, value any) int {
	if value == nil {
		return 0
	}
	f, ok := newFields(p, path, value)
	if !ok {
		return 0
	}
	keep := f.between("keep", fleet.MinKeep, fleet.MaxKeep)
	f.done()
	return keep
}

// projectOr keeps the Compose library content where the name was refused.
func projectOr(name string) string {
	if name == "" {
		return "unnamed"
	}
	return name
}

func mapImage(p *problems, path, image string, built bool) {
	at := join(path, "image")
	switch {
	case image == "" && built:
		p.invalid(at, "missing: hosts run images, they don't build them").
			WithHint("build and push the image, and name it here")
	case image == "":
		p.invalid(at, "missing").WithHint("name the image to run")
	default:
		if _, err := reference.ParseNormalizedNamed(image); err != nil {
			p.invalid(at, "%q is not an image: %v", image, err).
				WithHint("write it like redis:7 or registry.example.com/team/web:1.2")
		}
	}
}

func mapSpec(p *problems, path string, s types.ServiceConfig) fleet.Spec {
	return fleet.Spec{
		Image:       s.Image,
		Command:     s.Command,
		Entrypoint:  s.Entrypoint,
		Environment: mapEnvironment(p, join(path, "environment"), s.Environment),
		User:        mapUser(p, join(path, "user"), s.User),
		Labels:      mapLabels(p, join(path, "labels"), s.Labels),
		Restart:     mapRestart(p, path, s),
		StopGrace:   mapStopGrace(p, join(path, "stop_grace_period"), s.StopGracePeriod),
		StopSignal:  mapSignal(p, join(path, "stop_signal"), s.StopSignal),
		Healthcheck: mapHealthcheck(p, join(path, "healthcheck"), s.HealthCheck),
		Resources:   mapResources(p, path, s),
		Runtime:     mapRuntime(p, path, &s),
		PullPolicy:  mapPullPolicy(p, join(path, "pull_policy"), s.PullPolicy),
	}
}

package compose

// plain are keys that mean what Compose says.
func plain(names ...string) keys {
	out := keys{}
	for _, name := range names {
		out[name] = yes("")
	}
	return out
}

// fileKeys are those of a service's configs and secrets.
var fileKeys = keys{
	"source": yes("its name under the top-level `configs` or `secrets`"),
	"target": yes("a secret's is below `/run/secrets`, unless absolute"),
	"uid":    yes("a number"),
	"gid":    yes("a number"),
	"mode":   yes("0444 if not stated"),
}

var healthKeys = keys{
	"test": yes(""), "interval": yes(""), "timeout": yes(""), "start_period": yes(""), "retries": yes(""), "disable": yes(""),
	"start_interval": yes("engines before 25.0 refuse the container"),
}

var portKeys = keys{
	"target":       yes("the container's port"),
	"published":    yes("one number; a range to choose from is refused"),
	"mode":         becomes("`ingress`, the default: on the balancers. `host`: on the instance's own host"),
	"protocol":     yes("`tcp`; `udp` with `mode: host`"),
	"host_ip":      yes("with `mode: host`"),
	"name":         idle("a name for people"),
	"app_protocol": ignored("say it as protocol in x-lb"),
}

var mountKeys = keys{
	"type":        yes("`bind`, `volume`, `tmpfs`; `image`, `cluster` and `npipe` are refused"),
	"source":      yes("a path of the host's, or a volume's name"),
	"target":      yes(""),
	"read_only":   yes(""),
	"consistency": idle("Linux has one only"),
	"bind": yes("").with(keys{
		"create_host_path": idle("a host that lacks the path says so, and tries again"),
		"propagation":      yes(""),
		"recursive":        no("engines before 25.0 would leave it out", "leave it out"),
		"selinux":          no("engines can't be told of it in this form", "label the path on the hosts"),
	}),
	"volume": yes("").with(keys{
		"nocopy":  yes(""),
		"subpath": yes("engines before 26.0 refuse the container"),
		"labels":  ignored(labelsUnread),
	}),
	"tmpfs": yes("").with(plain("size", "mode")),
	"image": no("images aren't mounted", "copy what is needed from it into a volume"),
}

var attachKeys = keys{
	"aliases":                yes("names on that network: they lead to instances on the same host"),
	"use_service_name_alias": yes(""),
	"priority":               yes("the highest is the first network"),
	"gw_priority":            no("engines before 28.0 would leave it out", "use priority"),
	"ipv4_address":           no(manyOfIt, "leave it out: services are reached by their names"),
	"ipv6_address":           no(manyOfIt, "leave it out: services are reached by their names"),
	"link_local_ips":         no(manyOfIt, "leave it out"),
	"mac_address":            no(manyOfIt, "leave it out"),
	"driver_opts":            no("bridges have none for a container", "leave it out"),
	"interface_name":         no("engines before 28.1 would leave it out", "leave it out"),
}

var deployKeys = keys{
	"mode":            yes("`replicated`; `global`: one instance on every host that suits; `replicated-job`: a job, see [Jobs](compose.md#jobs-and-hooks-round-a-rollout)"),
	"replicas":        yes("0 to 10000; without it a service keeps its count"),
	"labels":          yes("of the service, shown by `muster service` and the API; its containers have `labels`"),
	"endpoint_mode":   becomes("services are reached through the balancers, as with `vip`; `dnsrr` is left out with a warning"),
	"placement":       yes("").with(placementKeys),
	"resources":       yes("").with(resourceKeys),
	"restart_policy":  yes("the same as `restart`").with(restartKeys),
	"update_config":   yes("see [How a service is upgraded](compose.md#how-a-service-is-upgraded)").with(updateKeys),
	"rollback_config": yes("the same, for the way back").with(updateKeys),
}

var placementKeys = keys{
	"constraints": yes("`node.hostname`, `node.id`, `node.labels.…`, `node.platform.os`, `node.platform.arch`, `node.role`, `engine.labels.…`, with `==` or `!=`; `host.` means the same as `node.`"),
	"preferences": yes("instances are spread evenly over the values of a label, in order; hosts without it are alike").each(keys{
		"spread": yes("`node.labels.…`"),
	}),
	"max_replicas_per_node": yes("while one replaces another, the old one doesn't count"),
}

var resourceKeys = keys{
	"limits": yes("").with(keys{
		"cpus": yes(""), "memory": yes("6 MiB at least"), "pids": yes(""),
	}),
	"reservations": yes("placement sets aside what is reserved").with(keys{
		"cpus": yes(""), "memory": yes("without it, the limit is set aside"),
		"generic_resources": yes("agents announce what their host has by `--resource`").each(keys{
			"discrete_resource_spec": yes("").with(keys{"kind": yes(""), "value": yes("")}),
		}),
		"devices": yes("asked of the host's engine; those with the capability `gpu` count as the resource `gpu`, which the host's agent has to announce").each(requestKeys),
	}),
}

// requestKeys are those of a request for devices.
var requestKeys = keys{
	"capabilities": yes(""), "driver": yes(""), "count": yes("`all` takes one at least"), "device_ids": yes(""), "options": yes(""),
}

var restartKeys = keys{
	"condition":    yes("`none`, `on-failure`, `any`"),
	"max_attempts": yes("with `on-failure`"),
	"delay":        ignored("the wait grows with each failure by itself"),
	"window":       ignored("a start counts as a success when the instance gets ready"),
}

// oldName is how Compose called what others made, before name.
var oldName = keys{"name": first("becomes the `name` beside it")}

var updateKeys = plain("parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order")

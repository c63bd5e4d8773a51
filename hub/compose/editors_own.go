package compose

import "github.com/musterhq/muster/shared/lbconf"

// object is a piece of a JSON schema.
type object = map[string]any

// A number may come from a variable, which is text until it is filled in.
func number(said string) object {
	return object{"type": []any{"integer", "number", "string"}, "description": said}
}
func text(said string) object { return object{"type": "string", "description": said} }
func yesNo(said string) object {
	return object{"type": []any{"boolean", "string"}, "description": said}
}
func oneOf(said string, words ...any) object { return object{"enum": words, "description": said} }
func texts(said string) object {
	return object{"description": said, "anyOf": []any{object{"type": "string"}, object{"type": "array", "items": object{"type": "string"}}}}
}
func mapping(said string, properties object) object {
	return object{"type": "object", "description": said, "properties": properties, "additionalProperties": false}
}

// ownSchemas describe the keys that are Muster's own; compose.md says more of each.
func ownSchemas() object {
	check := mapping("How the balancers check an endpoint.", object{
		"type": oneOf("http if there is a path, else tcp.", "http", "tcp"), "path": text("The page that is asked for, like /healthz."),
		"interval": text("Between checks: 1s."), "timeout": text("Of one check: 1s."), "rise": number("Checks in a row until it serves: 1."), "fall": number("Checks in a row until it doesn't: 2."),
	})
	lb := mapping("A container port on the balancers.", object{
		"listen": number("The port that clients use."), "target": number("The container's port."),
		"protocol": oneOf("http with listen, tcp for what ports publishes.", "http", "grpc", "tcp"),
		"check":    check, "drain": text("The longest wait for open connections of an instance that leaves: 30s."),
		"balancers": texts("Their names, or host/name; all, if left out."),
		"hosts":     texts("Host names, like shop.example.com or *.example.com; any, if left out."), "paths": texts("Beginnings of paths, like /api; any, if left out."),
		"tls": texts("Certificates that the balancers' hosts have."), "algorithm": oneOf("Who gets the next request.", "roundrobin", "leastconn", "source"),
		"sticky": yesNo("A cookie keeps a client at its instance."), "timeouts": object{"type": "object", "description": "connect, request, idle and tunnel."},
		"proxy_protocol":     texts("send: to the containers; accept: from the clients."),
		lbconf.DriverHAProxy: texts("Lines of HAProxy's own for this route."), lbconf.DriverNginx: texts("Lines of nginx' own for this route."),
	})
	return object{
		keyLB: object{"description": "Muster's: where and how balancers offer the service.", "anyOf": []any{lb, object{"type": "array", "items": lb}}},
		keyProbe: mapping("Muster's: when an instance is ready. The agent probes from outside the container.", object{
			"http": text("A path that answers with success."), "tcp": object{"type": []any{"boolean", "integer", "string"}, "description": "true, or the port to connect to."},
			"port": number("The container's."), "interval": text("Between probes: 2s."), "timeout": text("Of one: 2s."),
			"rise": number("Probes in a row until it is ready: 1."), "fall": number("Probes in a row until it isn't: 3."), "start_period": text("For so long a new container's failures are called starting."),
		}),
		keyVersions: mapping("Muster's: which versions are kept.", object{"keep": number("How many, 2 to 100: 10.")}),
		keyRollout:  rolloutSchema(),
	}
}

func rolloutSchema() object {
	jobs := object{"type": "array", "items": object{"type": "string"}, "maxItems": 10, "description": "Jobs of this file, or hooks' URLs."}
	return mapping("Muster's: how a new version takes the place of the old one.", object{
		"strategy": oneOf("rolling, if left out.", "rolling", "recreate", "canary", "blue-green"),
		"steps": object{"type": "array", "maxItems": 20, "description": "Of a canary: weights in percent, 5, 25, 50 and 100 if left out.", "items": object{"anyOf": []any{
			number("Percent of the traffic."),
			mapping("", object{"weight": number("Percent of the traffic."), "hold": text("The least time at this weight."), "instances": number("Of the new version."), "manual": yesNo("Waits for a person.")}),
		}}},
		"batch": number("How many are replaced at the same time."), "order": oneOf("start-first, if left out.", "start-first", "stop-first"),
		"delay": text("Between batches."), "monitor": text("How long the new version is watched when it has all the traffic: 10s."),
		"verify": mapping("How the new version is judged.", object{
			"off": yesNo("What balancers count isn't judged."), "interval": text("How often: 10s."), "requests": number("The fewest that say anything: 20."),
			"success": number("The least share that succeeds: 99%."), "slower": number("How many times as long as before a request may take: 2."), "restarts": number("How many are put up with: 0."),
			"judges": object{"type": "array", "maxItems": 10, "items": mapping("", object{"http": text("A URL."), "prometheus": text("A URL."), "query": text("Of Prometheus'."), "min": number(""), "max": number("")})},
		}),
		"on_failure": oneOf("rollback, if left out.", "rollback", "pause"), "manual": yesNo("Each step waits for a person."),
		"healthy_within": text("How long a new instance may take to serve: 5m."), "progress_within": text("How long a rollout may stand still: 10m."),
		"keep": text("Of canary and blue-green: how long the old ones stay without traffic: 1m."), "before": jobs, "each": jobs, "after": jobs,
	})
}

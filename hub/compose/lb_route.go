package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// asked is what an entry of x-lb asks of the balancers for a container port, and, where
// it says so, for its listeners alone.
type asked struct {
	fleet.Route           // only what was stated
	certificates []string // of its listeners
	accept       bool     // on its listeners
	stated       []string // keys
}

// parseAsked reads those keys.
func parseAsked(f *fields) (a asked) {
	a.Hosts = f.names("hosts", "a host name", lbconf.MaxHosts, strings.ToLower, lbconf.IsHost, "write names like shop.example.com, or *.example.com for all below one; leave it out for any")
	a.Paths = f.names("paths", "the beginning of a path", lbconf.MaxPaths, plainPrefix, lbconf.IsPath, "write paths like /api, without a query or encoded characters; leave it out for any")
	a.certificates = f.names("tls", "a certificate's name", lbconf.MaxCertificates, nil, lbconf.IsCertificate, "write the name of a certificate that the balancers' hosts have, like shop.example.com")
	switch a.Algorithm = f.text("algorithm"); a.Algorithm {
	case "", fleet.AlgorithmLeastConn, fleet.AlgorithmSource:
	case "roundrobin":
		a.Algorithm = ""
	default:
		f.p.invalid(f.at("algorithm"), "%q is not supported", a.Algorithm).WithHint("use roundrobin, leastconn or source")
		a.Algorithm = ""
	}
	a.Sticky = f.yes("sticky")
	a.Timeouts = parseTimeouts(f)
	a.SendProxy, a.accept = parseProxyProtocol(f)
	for _, driver := range []string{lbconf.DriverHAProxy, lbconf.DriverNginx} {
		if text := parseSnippet(f, driver); text != "" {
			if a.Snippets == nil {
				a.Snippets = map[string]string{}
			}
			a.Snippets[driver] = text
		}
	}
	for _, key := range []string{"hosts", "paths", "algorithm", "sticky", "timeouts", lbconf.DriverHAProxy, lbconf.DriverNginx} {
		if f.has(key) {
			a.stated = append(a.stated, key)
		}
	}
	return a
}

// plainPrefix takes the slash off a path's end: "/api/" is "/api", and "/" any.
func plainPrefix(path string) string { return strings.TrimSuffix(path, "/") }

// names reads a text or a list of texts, each once and sorted.
func (f *fields) names(key, what string, most int, tidy func(string) string, ok func(string) bool, hint string) (out []string) {
	value, stated := f.get(key)
	if !stated {
		return nil
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	if len(list) == 0 || len(list) > most {
		f.p.invalid(f.at(key), "must be a text or a list of 1 to %d", most).WithHint("%s", hint)
		return nil
	}
	for i, item := range list {
		text, isText := item.(string)
		at := f.at(key)
		if isList {
			at = index(at, i)
		}
		if tidy != nil && isText {
			if text = tidy(text); text == "" && item == "/" {
				return nil // any path is meant
			}
		}
		if !isText || !ok(text) {
			f.p.invalid(at, "%v is not %s", item, what).WithHint("%s", hint)
			continue
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if key != "tls" { // the first one is shown to who asks for no name
		slices.Sort(out)
	}
	return out
}

func parseTimeouts(f *fields) *fleet.Timeouts {
	value, ok := f.get("timeouts")
	if !ok {
		return nil
	}
	t, ok := newFields(f.p, f.at("timeouts"), value)
	if !ok {
		return nil
	}
	out := &fleet.Timeouts{Connect: t.duration("connect"), Request: t.duration("request"), Idle: t.duration("idle"), Tunnel: t.duration("tunnel")}
	t.done()
	if *out == (fleet.Timeouts{}) {
		return nil
	}
	return out
}

// parseProxyProtocol reads send, accept, or a list of both.
func parseProxyProtocol(f *fields) (send, accept bool) {
	const key = "proxy_protocol"
	for _, word := range f.names(key, "a side of it", 2, nil, func(w string) bool { return w == "send" || w == "accept" }, "use send, accept, or [send, accept]") {
		send, accept = send || word == "send", accept || word == "accept"
	}
	return send, accept
}

// parseSnippet reads lines, as a text or as a list.
func parseSnippet(f *fields, driver string) string {
	value, ok := f.get(driver)
	if !ok {
		return ""
	}
	text, isText := value.(string)
	if list, isList := value.([]any); isList {
		for _, line := range list {
			text += fmt.Sprintln(line)
		}
		isText = true
	}
	if text = strings.TrimSpace(text); !isText {
		f.p.invalid(f.at(driver), "must be lines of %s's configuration, as a text or a list", driver)
		return ""
	}
	if err := lbconf.CheckSnippet(driver, text); err != nil {
		f.p.invalid(f.at(driver), "%s", err).WithHint("what no service may say belongs into a balancer of your own (muster lb export)")
		return ""
	}
	return text
}

// ask adds what an entry asks for to its route.
func (r *routes) ask(entry lb, route *fleet.Route) {
	a := entry.asked
	for _, key := range a.stated {
		if r.first[route.Target] == nil {
			r.first[route.Target] = map[string]string{}
		}
		if first := r.first[route.Target][key]; first != "" {
			if entry.same(key, route) {
				continue
			}
			r.p.add(fleet.Conflict(join(entry.path, key), "is stated at %s already: it holds for container port %d as a whole", join(first, key), route.Target))
			continue
		}
		r.first[route.Target][key] = entry.path
		switch key {
		case "hosts":
			route.Hosts = a.Hosts
		case "paths":
			route.Paths = a.Paths
		case "algorithm":
			route.Algorithm = a.Algorithm
		case "sticky":
			route.Sticky = a.Sticky
		case "timeouts":
			route.Timeouts = a.Timeouts
		default:
			if route.Snippets == nil {
				route.Snippets = map[string]string{}
			}
			route.Snippets[key] = a.Snippets[key]
		}
	}
	route.SendProxy = route.SendProxy || a.SendProxy
	ports := route.Listen
	if entry.listen != 0 {
		ports = []int{entry.listen}
	}
	for _, port := range ports {
		if len(a.certificates) > 0 {
			r.secure(entry, route, port)
		}
		if a.accept && !slices.Contains(route.AcceptProxy, port) {
			route.AcceptProxy = append(route.AcceptProxy, port)
			slices.Sort(route.AcceptProxy)
		}
	}
}

// same says whether an entry asks for what a route has of a key.
func (e lb) same(key string, route *fleet.Route) bool {
	switch key {
	case "hosts":
		return slices.Equal(e.asked.Hosts, route.Hosts)
	case "paths":
		return slices.Equal(e.asked.Paths, route.Paths)
	case "algorithm":
		return e.asked.Algorithm == route.Algorithm
	case "sticky":
		return e.asked.Sticky == route.Sticky
	case "timeouts":
		return e.asked.Timeouts == nil && route.Timeouts == nil || e.asked.Timeouts != nil && route.Timeouts != nil && *e.asked.Timeouts == *route.Timeouts
	}
	return e.asked.Snippets[key] == route.Snippets[key]
}

// secure gives a listener certificates.
func (r *routes) secure(entry lb, route *fleet.Route, port int) {
	if had := route.Certificates[port]; had != nil && !slices.Equal(had, entry.asked.certificates) {
		r.p.add(fleet.Conflict(join(entry.path, "tls"), "port %d has the certificates %s already", port, strings.Join(had, ", ")))
		return
	}
	if route.Certificates == nil {
		route.Certificates = map[int][]string{}
	}
	route.Certificates[port] = entry.asked.certificates
}

// suits refuses what the protocol of a container port has no use for.
func (r *routes) suits(entry lb, o ports) {
	target := entry.target
	if target == 0 {
		var quiet problems
		target, _ = (&routes{p: &quiet, listens: r.listens}).target(entry, o)
	}
	route := r.byTarget[target]
	if route == nil {
		return
	}
	a := entry.asked
	refuse := func(stated bool, key, why, hint string) {
		if stated {
			r.p.invalid(join(entry.path, key), "has no meaning for container port %d, which speaks %s: %s", target, route.Protocol, why).WithHint("%s", hint)
		}
	}
	web := route.Protocol != fleet.ProtocolTCP
	const speak = "add protocol: http if it speaks HTTP"
	refuse(!web && a.Hosts != nil, "hosts", "nobody knows the host name that is meant", speak)
	refuse(!web && a.Paths != nil, "paths", "there are none", speak)
	refuse(a.Sticky && route.Protocol != fleet.ProtocolHTTP, "sticky", "it needs cookies", "use algorithm: source, by the client's address")
	refuse(web && a.SendProxy, "proxy_protocol", "the client's address is in X-Forwarded-For", "leave send out, or say protocol: tcp")
	if t := a.Timeouts; t != nil && route.Protocol != fleet.ProtocolHTTP {
		refuse(t.Request != 0, "timeouts.request", "there are no requests to wait for", "use tunnel")
		refuse(t.Idle != 0, "timeouts.idle", "there is nothing between requests", "use tunnel")
	}
}

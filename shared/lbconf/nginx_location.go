package lbconf

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Lines of the log that measured pools are counted by: who answered, with what,
// and how long it took until the answer began, in seconds. Of several attempts
// there are as many of each.
const (
	nginxLogHTTP   = "muster|http|$upstream_addr|$upstream_status|$upstream_header_time"
	nginxLogStream = "muster|tcp|$upstream_addr|$status|$upstream_connect_time"
)

// location is what a match's requests come to, as nginx tells them.
func location(path string) string {
	if path == "" {
		return "/"
	}
	return "~ ^" + regexp.QuoteMeta(path) + "(/|$)"
}

// writeNginxLocations writes a match. A WebSocket may rest for longer than the
// answer to a request, so a request to change the protocol has a location of
// its own.
func writeNginxLocations(out *bytes.Buffer, input NginxInput, l Listener, m Match, tunnels *int) {
	up := takers(*m.Pool, *m.Route, input.Down)
	if m.Route.Protocol == fleet.ProtocolGRPC || len(up) == 0 {
		writeNginxLocation(out, input, l, m, section{name: location(m.Path), empty: len(up) == 0})
		return
	}
	*tunnels++
	name := fmt.Sprintf("@tunnel%d", *tunnels)
	writeNginxLocation(out, input, l, m, section{name: location(m.Path), tunnel: name})
	writeNginxLocation(out, input, l, m, section{name: name, tunnelled: true})
}

// section is a location: with nobody to send to, with one for tunnels beside it, or
// that one itself.
type section struct {
	name, tunnel     string
	empty, tunnelled bool
}

func writeNginxLocation(out *bytes.Buffer, input NginxInput, l Listener, m Match, at section) {
	pool, route := m.Pool, m.Route
	fmt.Fprintf(out, "        location %s {\n", at.name)
	defer fmt.Fprintf(out, "        }\n")
	line := func(format string, args ...any) { fmt.Fprintf(out, "            "+format+"\n", args...) }
	line("# %s:%d", pool.Service, route.Target)
	snippet := route.Snippets[DriverNginx]
	if at.empty {
		line("return 503;")
		return
	}
	if at.tunnel != "" {
		line("error_page 418 = %s;", at.tunnel)
		line("if ($http_upgrade) {")
		line("    return 418;")
		line("}")
	}
	kind := "proxy"
	if route.Protocol == fleet.ProtocolGRPC {
		kind = "grpc"
	}
	has := snippetHas(snippet)
	set := func(name, value string) {
		if !has[name] {
			line("%s %s;", name, value)
		}
	}
	header := func(name, value string) {
		if !has[kind+"_set_header "+strings.ToLower(name)] {
			line("%s_set_header %s %s;", kind, name, value)
		}
	}
	writeNginxTimeouts(set, input.Global, route, kind, at.tunnelled)
	header("Host", "$http_host")
	if kind == "proxy" {
		header("Upgrade", "$http_upgrade")
		header("Connection", "$muster_connection")
	}
	header("X-Forwarded-For", "$proxy_add_x_forwarded_for")
	if len(l.Certificates) > 0 { // else whoever is in front may know better
		header("X-Forwarded-Proto", "https")
	}
	if pool.Measure {
		line("access_log syslog:server=unix:%s/%s,nohostname,tag=muster muster;", input.Global.logDir(), NginxLogSocket)
	}
	upstream := NginxUpstream(pool.Service, route.Target)
	if route.Sticky {
		upstream = "$" + cookieName(pool.Service, route.Target)
		line("add_header Set-Cookie $%s_set always;", cookieName(pool.Service, route.Target))
	}
	if snippet != "" {
		for text := range strings.Lines(strings.TrimSuffix(snippet, "\n") + "\n") {
			fmt.Fprintf(out, "            %s", text)
		}
	}
	if kind == "grpc" {
		line("grpc_pass grpc://%s;", upstream)
	} else {
		line("proxy_pass http://%s;", upstream)
	}
}

// writeNginxTimeouts writes those that differ from the ones that all routes have.
func writeNginxTimeouts(set func(name, value string), global NginxGlobal, route *fleet.Route, kind string, tunnelled bool) {
	t := fleet.Timeouts{}
	if route.Timeouts != nil {
		t = *route.Timeouts
	}
	if t.Connect != 0 {
		set(kind+"_connect_timeout", nginxTime(t.Connect.D()))
	}
	if t.Idle != 0 && kind == "proxy" {
		set("keepalive_timeout", nginxTime(t.Idle.D()))
	}
	var within time.Duration
	switch {
	case tunnelled:
		within = t.Tunnel.Or(global.Tunnel)
	case kind == "grpc":
		within = t.Tunnel.D()
	default:
		within = t.Request.D()
	}
	if within == 0 {
		return
	}
	set(kind+"_read_timeout", nginxTime(within))
	set(kind+"_send_timeout", nginxTime(within))
	if tunnelled || kind == "grpc" {
		set("send_timeout", nginxTime(within))
		if kind == "grpc" {
			set("client_body_timeout", nginxTime(within))
		}
	}
}

// snippetHas are the directives that a snippet has in its section itself, and
// the headers that it sets there: they count instead of Muster's own.
func snippetHas(text string) map[string]bool {
	has := map[string]bool{}
	var words []string
	depth := 0
	for text != "" {
		word, rest, err := nginxToken(text)
		if err != nil {
			return has // CheckSnippet refused it
		}
		text = rest
		switch word {
		case "":
		case ";", "{":
			if depth == 0 && len(words) > 0 {
				has[words[0]] = true
				if len(words) > 1 {
					has[words[0]+" "+strings.ToLower(words[1])] = true
				}
			}
			words = nil
			if word == "{" {
				depth++
			}
		case "}":
			words = nil
			depth--
		default:
			words = append(words, word)
		}
	}
	return has
}

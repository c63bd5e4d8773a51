package lbconf

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func writeNginxStream(out *bytes.Buffer, input NginxInput, listeners []Listener) {
	global := input.Global
	fmt.Fprintf(out, "\nstream {\n")
	fmt.Fprintf(out, "    access_log off;\n")
	if slices.ContainsFunc(listeners, func(l Listener) bool { return l.Matches[0].Pool.Measure }) {
		fmt.Fprintf(out, "    log_format muster '%s';\n", nginxLogStream)
	}
	if global.Retries == 0 {
		fmt.Fprintf(out, "    proxy_next_upstream off;\n")
	} else {
		fmt.Fprintf(out, "    proxy_next_upstream on;\n    proxy_next_upstream_tries %d;\n", global.Retries+1)
	}
	for _, pool := range input.Pools {
		for i := range pool.Routes {
			if route := &pool.Routes[i]; !pool.Removed && route.Protocol == fleet.ProtocolTCP {
				if up := takers(pool, *route, input.Down); len(up) > 0 {
					writeNginxUpstream(out, route, NginxUpstream(pool.Service, route.Target), up, "")
				}
			}
		}
	}
	for _, l := range listeners {
		writeNginxStreamServer(out, input, l)
	}
	fmt.Fprintf(out, "}\n")
}

func writeNginxStreamServer(out *bytes.Buffer, input NginxInput, l Listener) {
	pool, route := l.Matches[0].Pool, l.Matches[0].Route
	fmt.Fprintf(out, "\n    server {\n")
	defer fmt.Fprintf(out, "    }\n")
	line := func(format string, args ...any) { fmt.Fprintf(out, "        "+format+"\n", args...) }
	line("# %s:%d", pool.Service, route.Target)
	flags := ""
	if len(l.Certificates) > 0 {
		flags += " ssl"
	}
	if l.AcceptProxy {
		flags += " proxy_protocol"
	}
	for _, address := range nginxListen(input.Global, l.Port) {
		line("listen %s%s;", address, flags)
	}
	if len(l.Certificates) > 0 {
		path := input.Certificates[l.Certificates[0]].Path
		line("ssl_certificate %s;", path)
		line("ssl_certificate_key %s;", path)
		line("ssl_protocols TLSv1.2 TLSv1.3;")
	}
	if l.AcceptProxy {
		line("set_real_ip_from 0.0.0.0/0;")
		line("set_real_ip_from ::/0;")
	}
	if len(takers(*pool, *route, input.Down)) == 0 {
		line("return '';")
		return
	}
	connect, tunnel := input.Global.Connect, input.Global.Tunnel
	if t := route.Timeouts; t != nil {
		connect, tunnel = t.Connect.Or(connect), t.Tunnel.Or(tunnel)
	}
	has := snippetHas(route.Snippets[DriverNginx])
	set := func(name string, d time.Duration) {
		if !has[name] {
			line("%s %s;", name, nginxTime(d))
		}
	}
	set("proxy_connect_timeout", connect)
	set("proxy_timeout", tunnel)
	if route.SendProxy {
		line("proxy_protocol on;")
	}
	if pool.Measure {
		line("access_log syslog:server=unix:%s/%s,nohostname,tag=muster muster;", input.Global.logDir(), NginxLogSocket)
	}
	if snippet := route.Snippets[DriverNginx]; snippet != "" {
		line("%s", snippet)
	}
	line("proxy_pass %s;", NginxUpstream(pool.Service, route.Target))
}

package lbconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// nginxBuffer holds the head of an answer.
const nginxBuffer = "16k"

// writeNginxHTTP writes all of http and grpc, and the answer to whoever asks
// which file a worker was started from.
func writeNginxHTTP(out *bytes.Buffer, input NginxInput, listeners []Listener, structure string) {
	global := input.Global
	fmt.Fprintf(out, "\nhttp {\n")
	line := func(format string, args ...any) { fmt.Fprintf(out, "    "+format+"\n", args...) }
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		line("%s_temp_path %s/temp/%s;", temp, global.Dir, temp)
	}
	line("access_log off;")
	line("server_tokens off;")
	line("default_type text/plain;")
	line("server_names_hash_bucket_size 512;")
	line("server_names_hash_max_size 8192;")
	line("map_hash_bucket_size 512;")
	line("underscores_in_headers on;")
	line("merge_slashes off;")
	line("large_client_header_buffers 8 %s;", nginxBuffer)
	line("client_max_body_size 0;")
	line("client_header_timeout %s;", nginxTime(global.KeepAlive))
	line("client_body_timeout %s;", nginxTime(global.Idle))
	line("send_timeout %s;", nginxTime(global.Idle))
	line("keepalive_timeout %s;", nginxTime(global.KeepAlive))
	line("keepalive_requests 1000000000;")
	if global.Version.AtLeast(NginxKeepsClients) {
		line("keepalive_min_timeout %s;", nginxTime(global.KeepAlive))
	}
	line("ssl_protocols TLSv1.2 TLSv1.3;")
	line("ssl_session_cache shared:muster:4m;")
	line("ssl_session_tickets off;")
	writeNginxProxy(line, global)
	if slices.ContainsFunc(input.Pools, func(p fleet.Pool) bool { return p.Measure && !p.Removed }) {
		line("log_format muster '%s';", nginxLogHTTP)
	}
	line("map $http_upgrade $muster_connection {")
	line("    default upgrade;")
	line("    '' '';")
	line("}")
	line("server {")
	line("    listen unix:%s/%s;", global.Dir, NginxStatusSocket)
	line("    location = %s {", NginxStatus)
	line("        return 200 \"$nginx_version $pid %s\\n\";", structure)
	line("    }")
	line("}")
	for _, pool := range input.Pools {
		for i := range pool.Routes {
			if !pool.Removed && pool.Routes[i].Protocol != fleet.ProtocolTCP {
				writeNginxUpstreams(out, input, &pool, &pool.Routes[i])
			}
		}
	}
	tunnels := 0
	for _, l := range listeners {
		for _, server := range nginxServers(l, input.Certificates) {
			writeNginxServer(out, input, l, server, &tunnels)
		}
	}
	fmt.Fprintf(out, "}\n")
}

// writeNginxProxy writes how requests go to endpoints: at once and as they come,
// without anything on a disk.
func writeNginxProxy(line func(string, ...any), global NginxGlobal) {
	line("proxy_http_version 1.1;")
	line("proxy_buffering off;")
	line("proxy_request_buffering off;")
	line("proxy_redirect off;")
	line("proxy_pass_header Server;")
	line("proxy_pass_header Date;")
	line("proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Charset;")
	line("proxy_headers_hash_max_size 1024;")
	line("proxy_headers_hash_bucket_size 128;")
	line("grpc_pass_header Server;")
	line("grpc_pass_header Date;")
	line("grpc_ignore_headers X-Accel-Redirect X-Accel-Charset;")
	for _, kind := range []string{"proxy", "grpc"} {
		line("%s_buffer_size %s;", kind, nginxBuffer)
		line("%s_connect_timeout %s;", kind, nginxTime(global.Connect))
		idle := global.Idle
		if kind == "grpc" {
			idle = global.Tunnel
		}
		line("%s_read_timeout %s;", kind, nginxTime(idle))
		line("%s_send_timeout %s;", kind, nginxTime(idle))
		if global.Retries == 0 {
			line("%s_next_upstream off;", kind)
			continue
		}
		line("%s_next_upstream error;", kind)
		line("%s_next_upstream_tries %d;", kind, global.Retries+1)
	}
	line("proxy_buffers 8 %s;", nginxBuffer)
	line("proxy_busy_buffers_size 32k;")
}

// nginxServers are a listener's servers by name. nginx shows a server's
// certificate, so each name of one has a server, though its matches be others'.
func nginxServers(l Listener, certificates map[string]NginxCertificate) []Server {
	servers := l.Servers()
	for _, name := range l.Certificates {
		for _, host := range certificates[name].Names {
			if IsHost(host) && !slices.ContainsFunc(servers, func(s Server) bool { return s.Host == host }) {
				servers = append(servers, Server{Host: host, Matches: l.of(host)})
			}
		}
	}
	return servers
}

// shown is the certificate that a server shows: the first that is for its name,
// or just the first.
func shown(l Listener, host string, certificates map[string]NginxCertificate) NginxCertificate {
	for _, wild := range []bool{false, true} {
		for _, name := range l.Certificates {
			for _, for_ := range certificates[name].Names {
				if for_ == host || wild && host != "" && covers(for_, host) && strings.Count(for_, ".") == strings.Count(host, ".") {
					return certificates[name]
				}
			}
		}
	}
	return certificates[l.Certificates[0]]
}

func writeNginxServer(out *bytes.Buffer, input NginxInput, l Listener, server Server, tunnels *int) {
	grpc := slices.ContainsFunc(l.Matches, func(m Match) bool { return m.Route.Protocol == fleet.ProtocolGRPC })
	tls := len(l.Certificates) > 0
	flags, apart := "", input.Global.Version.AtLeast(nginxHTTP2Apart)
	if server.Host == "" {
		flags += " default_server"
	}
	if tls {
		flags += " ssl"
	}
	if (grpc || tls) && !apart {
		flags += " http2"
	}
	if l.AcceptProxy {
		flags += " proxy_protocol"
	}
	fmt.Fprintf(out, "\n    server {\n")
	line := func(format string, args ...any) { fmt.Fprintf(out, "        "+format+"\n", args...) }
	for _, address := range nginxListen(input.Global, l.Port) {
		line("listen %s%s;", address, flags)
	}
	if (grpc || tls) && apart {
		line("http2 on;")
	}
	line("server_name %s;", orQuotes(server.Host))
	if tls {
		path := shown(l, server.Host, input.Certificates).Path
		line("ssl_certificate %s;", path)
		line("ssl_certificate_key %s;", path)
	}
	if l.AcceptProxy {
		line("set_real_ip_from 0.0.0.0/0;")
		line("set_real_ip_from ::/0;")
		line("real_ip_header proxy_protocol;")
	}
	if grpc { // a client keeps one connection for all its calls, and a stream may rest
		line("keepalive_timeout %s;", nginxTime(input.Global.Tunnel))
		line("client_body_timeout %s;", nginxTime(input.Global.Tunnel))
	}
	all := false
	for _, m := range server.Matches {
		all = all || m.Path == ""
		writeNginxLocations(out, input, l, m, tunnels)
	}
	if !all {
		line("location / {")
		line("    return 404;")
		line("}")
	}
	fmt.Fprintf(out, "    }\n")
}

func orQuotes(host string) string {
	if host == "" {
		return `""`
	}
	return host
}

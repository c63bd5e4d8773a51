package lbconf

import (
	"strings"
	"testing"
)

func TestSnippets(t *testing.T) {
	good := map[string][]string{
		DriverHAProxy: {
			"http-request set-header X-A \"b c\"\n\n# note\n  http-response del-header Server", "acl php path_reg \\.php$\nhttp-request deny if php",
			"http-request set-path '%[path,regsub(^/api,)]'", "timeout server 30s", "option http-server-close", "acl a hdr(x) -m beg y",
		},
		DriverNginx: {
			`add_header X-A "b;} c" always;`, "if ($request_method = POST) { return 405; }", "client_max_body_size 20m; # }\n", `proxy_set_header X ${host}a;`,
			`rewrite "^/a{2}x" /b break;`, "return 200 a};", `set $mine "muster"; rewrite "^/(?:a|b)(?=x)(?<!y)(.*)" /$1 break;`, "if ($http_a ~ -f) { return 200; }",
		},
	}
	bad := map[string][]string{
		DriverHAProxy: {
			"", " \n", "frontend x", "  backend y", "server a 1.2.3.4:80", "listen x", "http-request return status 200 file /etc/shadow", `http-request return "fi"le /etc/shadow`,
			"http-request lua.x", "acl a src -f /etc/passwd", "http-request set-header X %[path,map(/etc/passwd)]", "http-request set-map(/etc/x) a b", "option httpchk GET /",
			"option external-check", `http-request set-header X "${HOME}"`, "errorfile 503 /etc/shadow", "bind :80", "http-request set-header X a\rb", "acl a \x00", "\"server\" a 1.2.3.4",
			"http-request return lf-file /etc/shadow", "option mysql-check", `http-request \lua.x`, "acl a path,map_str(/etc/x) -m found",
			`http-request return status 200 content-type text/plain \x66ile /etc/shadow`, `http-request set-header X %[path,m\x61p(/etc/x)]`,
			"http-request set-var(proc.muster_structure) str(x)", `http-request set-var-fmt("proc.a") x`, "http-request unset-var(proc.muster_gen_shop_2fweb)", "http-request set-header X %[path,set-var(proc.a)]",
			"http-request set-header X %[env(HOME)]", "acl a env(HOME) -m found", "http-request use-service prometheus-exporter", "stick on src", "stick match src", "option persist",
		},
		DriverNginx: {
			"} location / {", "return 200;}", "add_header X a; } server {", "include /etc/passwd;", "return 200", "if ($a) {", "{ return 200; }", ";", `add_header X "a;`, "alias /etc/;",
			"proxy_pass http://1.2.3.4;", "set $a ${ ; } location /x { ", "access_log /etc/x;", `"}" a;`, `set $a "x"y;`, "root /;", "location / { return 200; }", "js_content a.b;", "if \\${ return 200; } }",
			"set $muster_a 127.0.0.1:22;", `set "$Muster_a" x;`, "if ($uri ~ x) { set $MUSTER_connection x; }", `if ($uri ~ "(?<http_upgrade>x)") { return 200; }`,
			`rewrite "^/(?P<muster_a>.*)" /x break;`, `rewrite ^/(?\'args\'.*) /x break;`, `proxy_redirect "~(?<uri>x)" /;`,
			"if (-f /etc/shadow) { return 200; }", "if ( !-e $arg_a) { return 200; }", `if "(-d" /etc) { return 200; }`, `if ( "!-x" /etc) { return 200; }`,
		},
		"caddy": {"respond 200"},
	}
	for driver, texts := range good {
		for _, text := range texts {
			if err := CheckSnippet(driver, text); err != nil {
				t.Errorf("%s: %q: %v", driver, text, err)
			}
		}
	}
	for driver, texts := range bad {
		for _, text := range append(texts, strings.Repeat("a", MaxSnippet+1)) {
			if err := CheckSnippet(driver, text); err == nil {
				t.Errorf("%s: %q is fine", driver, text)
			}
		}
	}
}

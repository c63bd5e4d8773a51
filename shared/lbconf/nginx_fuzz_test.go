package lbconf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzNginx: a pool, however odd, is refused, or becomes the blocks that it says and
// nothing else: no name, path, address or snippet in it can begin or end one.
func FuzzNginx(f *testing.F) {
	for _, pool := range goldenPools(f, "*.conf") {
		f.Add(asJSON(f, pool), false)
		f.Add(asJSON(f, pool), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, young bool) {
		var pool fleet.Pool
		if json.Unmarshal(data, &pool) != nil {
			return
		}
		input := NginxInput{Global: nginxGlobal(oldNginx), Pools: []fleet.Pool{pool}, Certificates: map[string]NginxCertificate{}}
		if young {
			input.Global = nginxGlobal(newNginx)
		}
		for _, name := range CertificatesOf(pool) {
			input.Certificates[name] = NginxCertificate{Path: "/c/" + name + ".pem", Names: []string{"a.example", "*.b.example"}}
		}
		out, err := Nginx(input)
		if err != nil {
			if code := fleet.CodeOf(err); code != fleet.CodeInvalid && code != fleet.CodeConflict {
				t.Errorf("refused with %v", err)
			}
			return
		}
		read, err := Pools(out)
		if err != nil || len(read) != 1 || !bytes.Equal(asJSON(t, read[0]), asJSON(t, pool)) {
			t.Errorf("the seal holds %+v, %v", read, err)
		}
		blocks := blocksOf(t, out)
		http, tcp, listens := 0, 0, 0
		for _, route := range pool.Routes {
			if pool.Removed {
				continue
			}
			if route.Protocol == fleet.ProtocolTCP {
				listens += len(route.Listen)
			}
			if up := len(takers(pool, route, nil)); up > 0 {
				groups := 1
				if route.Sticky {
					groups += up
				}
				if route.Protocol == fleet.ProtocolTCP {
					tcp += groups
				} else {
					http += groups
				}
			}
		}
		if blocks["http upstream"] != http || blocks["stream upstream"] != tcp || blocks["stream server"] != listens || blocks["http"] != 1 || blocks["events"] != 1 {
			t.Errorf("%v; want %d and %d groups of servers, %d servers of tcp:\n%s", blocks, http, tcp, listens, out)
		}
		if again, err := Nginx(input); err != nil || !bytes.Equal(again, out) {
			t.Errorf("rendered again it is\n%s", again)
		}
	})
}

// blocksOf counts a file's blocks by where they are, like "http server location", and
// wants all of them closed and no directive but those that Muster and snippets have.
func blocksOf(t *testing.T, file []byte) map[string]int {
	t.Helper()
	count := map[string]int{}
	var stack, words []string
	for text := string(file); text != ""; {
		word, rest, err := nginxToken(text)
		if err != nil {
			t.Fatalf("%v:\n%s", err, file)
		}
		text = rest
		switch word {
		case "":
		case ";":
			known := len(words) > 0 && (slices.Contains(nginxOwn, words[0]) || nginxWords.MatchString(words[0]) ||
				len(stack) > 0 && stack[len(stack)-1] == "map" || strings.HasSuffix(words[0], "_temp_path"))
			if !known {
				t.Errorf("a directive that nobody meant: %q in %v", words, stack)
			}
			words = nil
		case "{":
			stack = append(stack, words[0])
			count[strings.Join(stack, " ")]++
			words = nil
		case "}":
			if len(stack) == 0 || len(words) > 0 {
				t.Fatalf("a block ends that never began, after %v:\n%s", words, file)
			}
			stack = stack[:len(stack)-1]
		default:
			words = append(words, strings.TrimPrefix(word, `"`))
		}
	}
	if len(stack)+len(words) > 0 {
		t.Errorf("%v and %v don't end", stack, words)
	}
	return count
}

// nginxOwn are directives that Muster writes and no snippet may have.
var nginxOwn = strings.Fields(`user load_module worker_processes worker_rlimit_nofile worker_shutdown_timeout worker_connections daemon pid error_log
access_log log_format server_tokens default_type server_names_hash_bucket_size server_names_hash_max_size map_hash_bucket_size underscores_in_headers
merge_slashes large_client_header_buffers client_header_timeout keepalive keepalive_timeout keepalive_min_timeout ssl_protocols ssl_session_cache ssl_session_tickets
ssl_certificate ssl_certificate_key proxy_http_version proxy_headers_hash_max_size proxy_headers_hash_bucket_size proxy_connect_timeout grpc_connect_timeout
listen http2 server_name set_real_ip_from real_ip_header proxy_pass grpc_pass server zone least_conn hash proxy_protocol proxy_timeout`)

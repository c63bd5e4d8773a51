package export

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// check runs a program that has to take what was written. One that is missing fails
// the test: packaging/dev/setup.sh test installs it.
func check(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path = filepath.Join("/usr/sbin", program)
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRealProgramsTakeIt: HAProxy and nginx check what they would be started with,
// beside a file of the reader's own that sends to what is exported.
func TestRealProgramsTakeIt(t *testing.T) {
	for name, all := range map[string][]fleet.ExportView{"everything": services(), "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			exported := write(t, dir, "muster.cfg", render(t, HAProxy, all))
			own := "global\ndefaults\n    timeout connect 3s\n    timeout client 1m\n    timeout server 1m\nfrontend own\n    mode http\n    bind :18080\n"
			if all != nil {
				own += "    use_backend shop.web.8080 if { path_beg / }\n"
			}
			check(t, "haproxy", "-c", "-f", write(t, dir, "own.cfg", []byte(own)), "-f", exported)

			web := write(t, dir, "http.conf", render(t, Nginx, Choose(all, Choice{Protocol: fleet.ProtocolHTTP})))
			tcp := write(t, dir, "stream.conf", render(t, Nginx, Choose(all, Choice{Protocol: fleet.ProtocolTCP})))
			pass := "return 204;"
			if all != nil {
				pass = "proxy_pass http://shop.web.8080;"
			}
			conf := fmt.Sprintf("pid %s/pid;\nerror_log stderr;\n%sevents {}\nhttp {\n    access_log off;\n    include %s;\n    server { listen 18080; location / { %s } }\n}\n%s",
				dir, streamModule(), web, pass, "stream {\n    include "+tcp+";\n}\n")
			check(t, "nginx", "-t", "-p", dir, "-c", write(t, dir, "nginx.conf", []byte(conf)))
		})
	}
}

// streamModule loads nginx' module for TCP where it is one apart.
func streamModule() string {
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err != nil {
		return ""
	}
	return "load_module " + module + ";\n"
}

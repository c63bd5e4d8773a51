package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// describe is what huma knows of the API as a whole. The description doesn't
// name the program's version, so that it only changes with the API.
func describe() huma.Config {
	config := huma.DefaultConfig("Muster", "v1")
	config.Info.Description = "Orders to the fleet, and what it is. Each answer to a write carries the revision at which it was committed; /v1/watch streams the changes after a revision."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no links to schemas in bodies
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A session's token (POST /v1/login) or an API token. x-muster-role is the role that an operation takes; who comes through the hub's socket, is an admin without a token."},
	}
	// Answers may get more fields: only what is sent to the hub is strict.
	config.AllowAdditionalPropertiesByDefault = true
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[fleet.Duration](), reflect.TypeFor[duration]())
	return config
}

// duration describes fleet.Duration, whose JSON is text.
type duration string

// Schema implements huma.SchemaProvider.
func (duration) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Examples: []any{"1m30s"}}
}

// Document is the API's description in OpenAPI 3.1, as indented JSON.
func (a *API) Document() []byte {
	raw, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		panic(err) // it is made of constants
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		panic(err)
	}
	pretty.WriteByte('\n')
	return pretty.Bytes()
}

func serveDocument(document []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Write(document)
	}
}

// operation is one that takes a role.
func operation(role fleet.Role, method, path, id, tag, summary string) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
		Metadata:   map[string]any{roleKey: role},
		Extensions: map[string]any{"x-muster-role": role},
		Security:   []map[string][]string{{"bearer": {}}},
	}
	if role == anyone {
		op.Security = []map[string][]string{}
	}
	return op
}

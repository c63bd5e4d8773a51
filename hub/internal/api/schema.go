package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type schemaInput struct {
	Known string `header:"If-None-Match" doc:"What the caller has: an answer that is the same is 304, without a body"`
}

// routeSchema serves what editors check Compose files with. It says nothing of this
// fleet, so that anyone may have it: editors have no token.
func (a *API) routeSchema() {
	op := operation(anyone, http.MethodGet, "/v1/schema/compose.json", "compose-schema", "hub", "Read the JSON schema of Compose files, for editors")
	op.Responses = map[string]*huma.Response{
		"200": {Description: "The schema", Content: map[string]*huma.MediaType{"application/schema+json": {Schema: &huma.Schema{}}}},
		"304": {Description: "What the caller has is still right"},
	}
	sum := sha256.Sum256(a.options.EditorSchema)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	register(a, op, func(_ context.Context, in *schemaInput) (*exportOutput, error) {
		out := &exportOutput{Status: http.StatusOK, ETag: tag, ContentType: "application/schema+json", Caching: "no-cache", Body: a.options.EditorSchema}
		if matches(in.Known, tag) {
			out.Status, out.ContentType, out.Body = http.StatusNotModified, "", nil
		}
		return out, nil
	})
}

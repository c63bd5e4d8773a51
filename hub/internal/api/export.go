package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/hub/export"
	"github.com/musterhq/muster/shared/fleet"
)

type exportInput struct {
	Format   string   `path:"format" enum:"haproxy,nginx,traefik,prometheus,json" doc:"Whose form the document has"`
	Service  []string `query:"service,explode" maxItems:"100" doc:"Only these: project/service; one that isn't there has no entries"`
	Project  string   `query:"project" doc:"Only this project's services"`
	Protocol string   `query:"protocol" enum:"http,tcp" doc:"Only routes of this protocol; http has those of gRPC, too"`
	Known    string   `header:"If-None-Match" doc:"What the caller has: an answer that is the same is 304, without a body"`
}

// exportOutput is a document of another program's.
type exportOutput struct {
	Status      int
	ETag        string `header:"ETag" doc:"Of the content, for If-None-Match"`
	ContentType string `header:"Content-Type"`
	Caching     string `header:"Cache-Control"`
	Body        []byte
}

func (a *API) routeExport() {
	op := operation(fleet.RoleViewer, http.MethodGet, "/v1/export/{format}", "export", "balancers", "Export services for balancers that no agent drives")
	op.Description = "HAProxy backends, nginx upstreams, Traefik's HTTP provider, Prometheus' HTTP service discovery, or all as JSON. Nothing waits for who reads this: an instance that leaves may be stopped before it was seen."
	op.Responses = map[string]*huma.Response{
		"200": {Description: "The document", Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{}}, "text/plain": {Schema: &huma.Schema{Type: huma.TypeString}},
		}},
		"304": {Description: "What the caller has is still right"},
	}
	register(a, op, a.export)
}

func (a *API) export(ctx context.Context, in *exportInput) (*exportOutput, error) {
	choice := export.Choice{Project: in.Project, Protocol: in.Protocol}
	for _, text := range in.Service {
		key, err := fleet.ParseServiceKey(text)
		if err != nil {
			return nil, err
		}
		choice.Services = append(choice.Services, key)
	}
	if in.Project != "" {
		if err := fleet.ValidateProject(in.Project); err != nil {
			return nil, err
		}
	}
	var services []fleet.ExportView
	if err := a.read(ctx, func(view View) { services = view.Exports() }); err != nil {
		return nil, err
	}
	rendered, err := export.Render(in.Format, export.Choose(services, choice))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(rendered.Body)
	out := &exportOutput{Status: http.StatusOK, ETag: `"` + hex.EncodeToString(sum[:16]) + `"`, ContentType: rendered.Type, Caching: "no-cache", Body: rendered.Body}
	if matches(in.Known, out.ETag) {
		out.Status, out.ContentType, out.Body = http.StatusNotModified, "", nil
	}
	return out, nil
}

// matches says whether an If-None-Match has the tag.
func matches(header, tag string) bool {
	return slices.ContainsFunc(strings.Split(header, ","), func(one string) bool {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		return one == tag || one == "*"
	})
}

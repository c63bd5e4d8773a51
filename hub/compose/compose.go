package compose

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// Limits of a document.
const (
	MaxDocument = 1 << 20 // bytes
	MaxServices = 1000
	MaxCount    = 10000 // instances of one service
)

// Project is what a document asks for.
type Project struct {
	Name     string
	Services []fleet.Service // sorted by key
	// Warnings name what the document says and Muster ignores; sorted, each
	// "path: what".
	Warnings []string
}

// Map reads a canonical Compose document, YAML or JSON. Its error joins one
// *fleet.Error for each thing that is wrong; see Errors.
func Map(document []byte) (Project, error) {
	p := &problems{}
	doc := parse(p, document)
	project := Project{Name: doc.name}
	order := parseDepends(p, doc)
	var claims []claim
	for _, name := range doc.serviceNames() {
		service, listens, ok := mapService(p, doc, name, order)
		if !ok {
			continue
		}
		project.Services = append(project.Services, service)
		claims = append(claims, listens...)
	}
	checkClaims(p, claims)
	checkDepends(p, order, project.Services)
	checkJobs(p, doc, order, project.Services)
	if err := p.err(); err != nil {
		return Project{}, err
	}
	slices.SortFunc(project.Services, func(a, b fleet.Service) int {
		if a.Key.Less(b.Key) {
			return -1
		}
		return 1
	})
	project.Warnings = p.sortedWarnings()
	return project, nil
}

// Package api is the hub's HTTP API: orders, reads, a stream of changes and
// logs, with its description in OpenAPI 3.1. It holds no state of the fleet;
// it asks through the few methods that it declares.
package api

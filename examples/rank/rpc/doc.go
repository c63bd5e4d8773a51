// Package rpc is the leaderboard's gRPC interface, which version 2 has beside
// the HTTP interface of version 1.
package rpc

//go:generate sh -c "protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative --plugin=$(go tool -n protoc-gen-go) --plugin=$(go tool -n protoc-gen-go-grpc) rank.proto"

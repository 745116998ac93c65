//go:build tools

package main

// The plugins of buf.gen.yaml, so that go.mod has their versions.
import (
	_ "connectrpc.com/connect/cmd/protoc-gen-connect-go"
	_ "google.golang.org/protobuf/cmd/protoc-gen-go"
)

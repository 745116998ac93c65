module mailstead.dev/tests/connect

go 1.19

require (
	connectrpc.com/connect v1.14.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240123012728-ef4313101c80
	google.golang.org/protobuf v1.33.0
)

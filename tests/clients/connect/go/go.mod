module mailstead.dev/tests/connect

go 1.19

require (
	connectrpc.com/connect v1.14.0
	golang.org/x/net v0.17.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240123012728-ef4313101c80
	google.golang.org/protobuf v1.33.0
)

require golang.org/x/text v0.13.0 // indirect

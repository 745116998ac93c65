// A support desk on Mailstead: makes a ticket of each message in a mailbox, answers it and deletes it.
package main

//go:generate buf generate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

func setting(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return otherwise
}

// key goes with each call.
type key string

func (k key) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(k)}, nil
}

// RequireTransportSecurity is false because without DESK_CA_FILE the store is on this machine, or on a network of its own.
func (key) RequireTransportSecurity() bool { return false }

func dial() (*grpc.ClientConn, error) {
	secret, err := os.ReadFile(setting("DESK_KEY_FILE", "desk.key"))
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if file := os.Getenv("DESK_CA_FILE"); file != "" {
		authority, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("%s has no certificate", file)
		}
		transport = credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	}
	return grpc.Dial(setting("DESK_STORE", "127.0.0.1:7070"),
		grpc.WithTransportCredentials(transport),
		grpc.WithPerRPCCredentials(key(strings.TrimSpace(string(secret)))),
		// So that a store that vanished without a word is missed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute}))
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	connection, err := dial()
	if err != nil {
		return err
	}
	defer connection.Close()
	desk, err := newDesk(connection, setting("DESK_ACCOUNT", "support@example.test"), setting("DESK_FOLDER", "tickets"))
	if err != nil {
		return err
	}
	if err := desk.run(ctx); !errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatalf("desk: %s", explain(err))
	}
}
